//! What the help of `seg repair` says beside the arguments.

use crate::help::{self, Example};

/// What `seg repair --help` says beside the arguments.
pub const HELP: help::Page = help::Page {
    description: &[
        "A broker's answer to a bad byte is to cut the log there and to delete all later \
         segments. This keeps what proves itself. Without --apply it prints a plan and writes \
         nothing: what is wrong, what it will do, what is lost in exact offsets, what it leaves \
         alone, what a broker would lose, and the command to run next.",
        "--apply takes the broker's own lock, and refuses beside a broker that runs. What goes \
         is kept outside of every log dir; --undo puts it back byte for byte, with owner, mode \
         and times. Records keep their offsets, timestamps and bytes. A plan that loses records \
         is carried out only with --sole-copy: where another replica has them, fetching the \
         partition anew from that is better.",
    ],
    examples: &[
        Example::new("seg repair testdata/kafka-4.3.1/txn-0", "what would be done? writes nothing"),
        Example::no(
            "\
mkdir /tmp/kafka
cp -r testdata/kafka-4.3.1/epochs-0 /tmp/kafka/orders-0
printf X | dd of=/tmp/kafka/orders-0/00000000000000000000.log \\
  bs=1 seek=700 conv=notrunc status=none
seg repair /tmp/kafka/orders-0",
            "the plan for a copy in which one byte was changed",
        ),
        Example::no("seg repair /tmp/kafka/orders-0 --like-broker", "what a broker would do to it"),
        Example::no(
            "seg repair /tmp/kafka/orders-0 --plan /tmp/plan.json",
            "the plan as a file, for somebody else to look at",
        ),
        Example::new(
            "seg repair /tmp/kafka/orders-0 --apply --sole-copy --plan /tmp/plan.json",
            "carries out exactly that, or nothing; originals are kept",
        ),
        Example::new("seg repair /tmp/kafka/orders-0 --undo", "as it was before, byte for byte"),
        Example::new(
            "seg repair /tmp/kafka/orders-0 --to /tmp/rescued",
            "a repaired copy elsewhere; these files stay as they are",
        ),
    ],
    status: REPAIR_STATUS,
    files: &[
        (
            "LOGDIR.seg-backup/",
            "where originals are kept, beside the log dir or, where there is none, beside the \
             partition; deleted by nobody but you",
        ),
        ("LOGDIR/.lock", "the broker's lock, held by --apply and --undo"),
    ],
};

/// The two bits of every command, in the words of this one.
const REPAIR_STATUS: &[(&str, &str)] = &[
    ("0", "nothing to do, or all of it done"),
    ("1", "a plan is pending, or something stays wrong"),
    ("2", "could not look everywhere, or could not act"),
    ("3", "both"),
    help::USAGE,
    help::INTERRUPTED,
];
