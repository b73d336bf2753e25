//! Frames about consumer groups, one after the other, to a coordinator of their own.

use super::picks::Picks;
use super::request::{check, config, world};
use segkit::serve::groups::{ask, start};
use segkit::serve::queue::{Answer, Request};
use segkit::serve::wire::{Api, Opened, WireLimits, open};
use std::time::Duration;

/// More say nothing new.
const FRAMES: usize = 40;

/// Each frame behind two bytes of length.
pub fn run(data: &[u8]) {
    let world = world();
    let groups = start(&world.catalog, config(), &world.counters).unwrap();
    // Then they are not told that the coordinator is loading.
    groups.found(Duration::from_secs(60)).unwrap();
    let handle = groups.handle();
    let (mut picks, mut waiting) = (Picks::new(data), Vec::new());
    while !picks.is_empty() && waiting.len() < FRAMES {
        let length = picks.u16();
        let (request, answers) = Request::without_socket(picks.take(length.into()).to_vec());
        let Ok(Opened::Body(header, reader)) = open(&request.frame, &WireLimits::STANDARD) else {
            continue;
        };
        if is_of_groups(header.api)
            && let Ok(answer) = ask(&handle, &world.catalog, &header, reader, &request)
        {
            assert!(matches!(answer, Answer::Later), "{answer:?}");
            waiting.push((request.frame, answers));
        }
    }
    assert!(groups.stop().is_some(), "the coordinator failed");
    for (frame, answers) in waiting {
        let mut count = 0;
        for answer in answers.try_iter() {
            count += 1;
            if let Answer::Send(outgoing) = answer {
                check(&frame, &outgoing);
            }
        }
        assert!(count <= 1, "answered {count} times");
    }
}

/// Whether the coordinator answers it.
pub fn is_of_groups(api: Api) -> bool {
    matches!(
        api,
        Api::OffsetCommit
            | Api::OffsetFetch
            | Api::JoinGroup
            | Api::Heartbeat
            | Api::LeaveGroup
            | Api::SyncGroup
            | Api::DescribeGroups
            | Api::ListGroups
    )
}
