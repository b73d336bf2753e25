//! The end of what a repair says: a line that sums it up, and what to do next.

use super::{Args, Tally};
use crate::values::{plural, size};
use segkit::check::remedy::shell_word;
use std::path::{Path, PathBuf};

/// Why a repair that loses records is not the first thing to do.
const REPLICAS: &str = "
Records are lost by this plan. Before you carry it out: is there another replica that has them?
  If so, do not repair this one. Move the directory away and keep it, and let the broker fetch the
  partition anew from that replica.
  A replica with a hole in it looks whole to the cluster: its offsets go on behind the hole. When it
  becomes leader, consumers pass over the hole without a word, and every replica that is filled from
  it has the hole too: nobody gets the records any more, though another disk may still hold them.
  Only where this is the sole copy, say --sole-copy.
";

/// The same of a log that is cut as a broker cuts it.
const REPLICAS_LIKE_BROKER: &str = "
Records are lost by this plan. Before you carry it out: is there another replica that has them?
  If so, start the broker while that replica leads the partition: this one fetches what was cut off.
  When this one becomes leader first, the others cut their logs to its end: the records are lost for
  all. Only where this is the sole copy, say --sole-copy.
";

/// `1 partition, 4 segments, 15 KiB, 365 records in 0.01 s: 3 actions to carry out`
pub(super) fn summary(tally: &Tally, seconds: f64) -> String {
    let (totals, repair) = (&tally.totals, &tally.repair);
    let mut what = Vec::new();
    if repair.applied > 0 {
        what.push(format!("{} carried out", plural(repair.applied, "action")));
    }
    if repair.pending > 0 {
        what.push(format!("{} to carry out", plural(repair.pending, "action")));
    }
    if repair.lost_offsets > 0 {
        what.push(format!("{} lost", plural(repair.lost_offsets, "offset")));
    }
    if repair.left_alone > 0 {
        what.push(format!("{} left alone", plural(repair.left_alone, "finding")));
    }
    match tally.unplanned {
        0 => {}
        1 => what.push("no plan for 1 directory".to_owned()),
        more => what.push(format!("no plan for {more} directories")),
    }
    if what.is_empty() {
        what.push("nothing to repair".to_owned());
    }
    let unread = match totals.coverage.unread {
        0 => String::new(),
        bytes => format!(", {} not read", size(bytes)),
    };
    format!(
        "{}, {}, {}, {} in {seconds:.2} s: {}{unread}\n",
        plural(totals.partitions, "partition"),
        plural(totals.segments, "segment"),
        size(totals.coverage.bytes()),
        plural(totals.records, "record"),
        what.join(", "),
    )
}

/// What to do next; nothing where nothing is.
pub(super) fn next(args: &Args, tally: &Tally) -> String {
    let mut text = String::new();
    let command = |paths: &[PathBuf], rest: &str| {
        format!("seg repair {}{}{rest}\n", shells(paths), flags(args))
    };
    if !tally.repaired.is_empty() {
        let backup = match &args.backup {
            Some(backup) => format!(" --backup {}", shell(backup)),
            None => String::new(),
        };
        let paths = shells(&args.paths);
        text.push_str(&format!("look:  seg verify {paths}\n"));
        text.push_str(&format!("undo:  seg repair {paths} --undo{backup}\n"));
        text.push_str(
            "keep:  the originals, until a broker has started on it and nothing is missed; then \
             they may be deleted\n",
        );
    }
    if args.to.is_some() {
        return text;
    }
    let stop = if tally.is_live { "stop the broker, then " } else { "" };
    let plan = args.plan_to_write().map_or_else(String::new, |file| {
        text.push_str(&format!("the plan is in {}\n", shell(file)));
        format!(" --plan {}", shell(file))
    });
    if !tally.lossy.is_empty() {
        text.push_str(if args.like_broker { REPLICAS_LIKE_BROKER } else { REPLICAS });
    }
    // A plan on file is carried out as a whole.
    let paths = |some: &[PathBuf]| match plan.is_empty() {
        true if some.len() <= DIRECTORIES_NAMED => some.to_vec(),
        _ => args.paths.clone(),
    };
    if !args.apply && !tally.pending.is_empty() && (plan.is_empty() || tally.lossy.is_empty()) {
        let rest = format!("{plan} --apply");
        text.push_str(&format!("next: {stop}{}", command(&args.paths, &rest)));
    }
    if !tally.lossy.is_empty() {
        let rest = format!("{plan} --apply --sole-copy");
        let command = command(&paths(&tally.lossy), &rest);
        text.push_str(&format!("next, if no replica has the records: {stop}{command}"));
    }
    text
}

/// How many directories a command names before it names what they were found below.
const DIRECTORIES_NAMED: usize = 8;

/// The flags that make the plan what it is.
pub(super) fn flags(args: &Args) -> String {
    let mut text = String::new();
    if args.accept_single_bit {
        text.push_str(" --accept-single-bit");
    }
    if args.like_broker {
        text.push_str(" --like-broker");
    }
    if args.index_interval_bytes != 4096 {
        text.push_str(&format!(" --index-interval-bytes {}", args.index_interval_bytes));
    }
    if let Some(backup) = &args.backup {
        text.push_str(&format!(" --backup {}", shell(backup)));
    }
    text
}

/// Paths as a shell takes them.
pub(super) fn shells(paths: &[PathBuf]) -> String {
    paths.iter().map(|path| shell(path)).collect::<Vec<_>>().join(" ")
}

/// A path as a shell takes it.
pub(super) fn shell(path: &Path) -> String {
    shell_word(&path.to_string_lossy())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::row::RepairCounts;
    use clap::Parser;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        args: Args,
    }

    fn args(words: &[&str]) -> Args {
        Line::parse_from([&["seg"], words].concat()).args
    }

    fn paths(names: &[&str]) -> Vec<PathBuf> {
        names.iter().map(PathBuf::from).collect()
    }

    #[test]
    fn the_last_line_says_what_was_found_and_done() {
        let of = |repair| summary(&Tally { repair, ..Tally::default() }, 0.014);
        let none = "0 partitions, 0 segments, 0 B, 0 records in 0.01 s: ";
        assert_eq!(of(RepairCounts::default()), format!("{none}nothing to repair\n"));
        let counts = RepairCounts {
            pending: 1,
            applied: 2,
            left_alone: 3,
            lost_bytes: 4000,
            lost_offsets: 1200,
        };
        let what = "2 actions carried out, 1 action to carry out, 1,200 offsets lost, \
                    3 findings left alone";
        assert_eq!(of(counts), format!("{none}{what}\n"));
    }

    #[test]
    fn the_next_command_is_the_same_with_apply() {
        let nothing = next(&args(&["orders-0"]), &Tally::default());
        assert_eq!(nothing, "");
        let args = args(&["it's", "--accept-single-bit", "--index-interval-bytes", "512"]);
        let mut tally = Tally { pending: paths(&["it's/orders-0"]), ..Tally::default() };
        let command =
            "seg repair 'it'\\''s' --accept-single-bit --index-interval-bytes 512 --apply\n";
        assert_eq!(next(&args, &tally), format!("next: {command}"));
        tally.is_live = true;
        assert_eq!(next(&args, &tally), format!("next: stop the broker, then {command}"));
    }

    #[test]
    fn what_loses_records_names_its_directories_behind_the_words_about_replicas() {
        let tally = Tally {
            pending: paths(&["data/orders-0"]),
            lossy: paths(&["data/orders-1", "data/orders-2"]),
            ..Tally::default()
        };
        let lossy = "next, if no replica has the records: seg repair data/orders-1 data/orders-2";
        let said = next(&args(&["data"]), &tally);
        let expected =
            format!("{REPLICAS}next: seg repair data --apply\n{lossy} --apply --sole-copy\n");
        assert_eq!(said, expected);
        // What could be done was.
        let said = next(&args(&["data", "--apply"]), &tally);
        assert_eq!(said, format!("{REPLICAS}{lossy} --apply --sole-copy\n"));
        let said = next(&args(&["data", "--like-broker"]), &tally);
        assert!(said.starts_with(REPLICAS_LIKE_BROKER), "{said}");
        assert!(said.ends_with("data/orders-2 --like-broker --apply --sole-copy\n"), "{said}");
    }

    /// It is all or nothing.
    #[test]
    fn a_plan_on_file_is_carried_out_with_the_paths_that_it_was_made_with() {
        let tally = Tally {
            pending: paths(&["data/orders-0"]),
            lossy: paths(&["data/orders-1"]),
            ..Tally::default()
        };
        let said = next(&args(&["data", "--plan", "p.json"]), &tally);
        let command = "seg repair data --plan p.json --apply --sole-copy\n";
        let next = format!("next, if no replica has the records: {command}");
        assert_eq!(said, format!("the plan is in p.json\n{REPLICAS}{next}"));
    }

    #[test]
    fn what_was_done_can_be_undone_from_where_it_is_kept() {
        let tally = Tally { repaired: paths(&["a/orders-0"]), ..Tally::default() };
        let said = next(&args(&["a", "--apply", "--backup", "my backup"]), &tally);
        let expected =
            "look:  seg verify a\nundo:  seg repair a --undo --backup 'my backup'\nkeep:  ";
        assert!(said.starts_with(expected), "{said}");
    }
}
