//! The commits of this run as `kafka-consumer-groups --reset-offsets --from-file` takes them.
//!
//! ```text
//!   group,topic,partition,offset
//!   "a, b",orders,0,17               a comma or a quote: in quotes, and quotes are doubled
//! ```

use super::commits::NewCommit;
use std::fmt::Write;
use std::sync::Arc;

/// The lines, and the groups that have none: Kafka's program splits its file at line ends before
/// it looks for quotes, so no quotes help a name with a line end in it.
#[must_use]
pub fn lines(commits: &[NewCommit]) -> (String, Vec<Arc<str>>) {
    let mut text = String::new();
    let mut left_out: Vec<Arc<str>> = Vec::new();
    for commit in commits {
        let has_line_end = |name: &str| name.contains(['\n', '\r']);
        if has_line_end(&commit.group) || has_line_end(&commit.topic) {
            if left_out.last() != Some(&commit.group) {
                left_out.push(Arc::clone(&commit.group));
            }
            continue;
        }
        push_field(&mut text, &commit.group);
        text.push(',');
        push_field(&mut text, &commit.topic);
        // Writing into a string does not fail.
        let _ = writeln!(text, ",{},{}", commit.partition, commit.offset);
    }
    (text, left_out)
}

fn push_field(text: &mut String, field: &str) {
    let is_plain = !field.is_empty() && !field.contains([',', '"']) && field.trim() == field;
    if is_plain {
        text.push_str(field);
        return;
    }
    text.push('"');
    text.push_str(&field.replace('"', "\"\""));
    text.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commit(group: &str, topic: &str, partition: i32, offset: i64) -> NewCommit {
        NewCommit { group: group.into(), topic: topic.into(), partition, offset }
    }

    #[test]
    fn a_line_is_group_topic_partition_offset() {
        let commits = [
            commit("", "t", 0, 0),
            commit("a, b", "t", 1, 9),
            commit("plain", "orders", 2, 1 << 40),
            commit("say \"x\"", "t", 3, -1),
        ];
        let text = "\"\",t,0,0\n\"a, b\",t,1,9\nplain,orders,2,1099511627776\n\
            \"say \"\"x\"\"\",t,3,-1\n";
        assert_eq!(lines(&commits), (text.into(), Vec::new()));
    }

    #[test]
    fn names_with_line_ends_are_left_out_and_said() {
        let commits =
            [commit("a\nb", "t", 0, 1), commit("a\nb", "t", 1, 1), commit("c", "t", 0, 2)];
        assert_eq!(lines(&commits), ("c,t,0,2\n".into(), vec!["a\nb".into()]));
        assert_eq!(lines(&[commit("\r", "t", 0, 1)]).1, ["\r".into()]);
    }
}
