"""Requests that a log directory suggests, and what may differ in two servers' answers to them."""

import collections
import dataclasses
import json
import random
import re
import struct

import derived

PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_FETCH, FIND_COORDINATOR = 0, 1, 2, 3, 9, 10
DESCRIBE_GROUPS, LIST_GROUPS, API_VERSIONS, CREATE_TOPICS, INIT_PRODUCER_ID, EPOCHS, ACLS = 15, 16, 18, 19, 22, 23, 29
CONFIGS, LOG_DIRS, REASSIGNMENTS, CLUSTER, PRODUCERS, TOPIC_PARTITIONS = 32, 35, 46, 60, 61, 75
NAMES = {PRODUCE: "Produce", FETCH: "Fetch", LIST_OFFSETS: "ListOffsets", METADATA: "Metadata", OFFSET_FETCH: "OffsetFetch",
         FIND_COORDINATOR: "FindCoordinator", DESCRIBE_GROUPS: "DescribeGroups", LIST_GROUPS: "ListGroups",
         API_VERSIONS: "ApiVersions", INIT_PRODUCER_ID: "InitProducerId", EPOCHS: "OffsetForLeaderEpoch", ACLS: "DescribeAcls",
         CONFIGS: "DescribeConfigs", LOG_DIRS: "DescribeLogDirs", REASSIGNMENTS: "ListPartitionReassignments",
         CLUSTER: "DescribeCluster", PRODUCERS: "DescribeProducers", TOPIC_PARTITIONS: "DescribeTopicPartitions"}
NEWEST = {FETCH: 18, LIST_OFFSETS: 11, METADATA: 13, OFFSET_FETCH: 10, EPOCHS: 4, LOG_DIRS: 5}
# Of ListOffsets, and the version that brought each.
SPECIAL = {-1: 1, -2: 1, -3: 7, -4: 8, -5: 9, -6: 11}
# Whose members spoke a later protocol.
NEW_GROUPS = ("group-new", "group-new-gone", "group-share")
NO_SUCH_ID = "AAAAAAAAAAAAAAAAAAAAZQ"
GROUPS = ["group-classic", "group-manual", "group-new", "group-gone", "txn-group", "group-share", "no-such-group", ""]
MIB = 1 << 20


@dataclasses.dataclass
class Batch:
    first: int
    last: int
    size: int
    time: int


@dataclasses.dataclass
class Partition:
    """What can be known of one without asking anybody."""
    topic: str
    number: int
    id: str
    batches: list
    start: int
    epochs: list

    @property
    def end(self):
        return self.batches[-1].last + 1 if self.batches else self.start

    @property
    def epoch(self):
        # A broker leads in some epoch, whatever the log says.
        return self.epochs[-1][0] if self.epochs else 0

    @property
    def settled(self):
        """The last epoch that has records: a broker forgets later ones when it starts."""
        return max((epoch for epoch, start in self.epochs if start < self.end), default=-1)


def batches(log):
    data, at, out = log.read_bytes(), 0, []
    while at + 17 <= len(data):
        first, size, magic = struct.unpack_from(">qi4xb", data, at)
        if size < 14 or at + 12 + size > len(data):
            break
        last, time = first, struct.unpack_from(">q", data, at + 18)[0] if magic == 1 else -1
        if magic == 2:
            delta, time = struct.unpack_from(">i8xq", data, at + 23)
            last += delta
        out.append(Batch(first, last, 12 + size, time))
        at += 12 + size
    return out


def partitions(log_dir):
    starts = derived.checkpoint(log_dir / "log-start-offset-checkpoint")
    for directory in derived.partitions(log_dir):
        topic, number = directory.name.rsplit("-", 1)
        if topic == "__cluster_metadata" or not number.isdigit():
            continue
        segments = [log for log in derived.segments(directory) if log.stem.isdigit()]
        file = directory / "partition.metadata"
        identity = re.search(r"topic_id: (\S+)", file.read_text())[1] if file.exists() else None
        start = max(starts.get(directory.name, 0), int(segments[0].stem) if segments else 0)
        yield Partition(topic, int(number), identity, [b for log in segments for b in batches(log) if b.last >= start], start,
                        derived.epochs(directory / derived.EPOCHS))


# ---- requests ----


def fetch(version, wanted, isolation, max_bytes=55 * MIB):
    """`wanted`: (partition, offset, its max bytes), each with a dict of other fields at will."""
    topics = []
    for p, offset, size, *more in wanted:
        asked = {"partition": p.number, "currentLeaderEpoch": -1, "fetchOffset": offset, "lastFetchedEpoch": -1,
                 "logStartOffset": -1, "partitionMaxBytes": size, **(more[0] if more else {})}
        if not topics or topics[-1]["topic"] != p.topic:
            topics.append({"topic": p.topic, "topicId": p.id or NO_SUCH_ID, "partitions": []})
        topics[-1]["partitions"].append(asked)
    return {"api": FETCH, "version": version, "body": {
        "replicaId": -1, "maxWaitMs": 0, "minBytes": 1, "maxBytes": max_bytes, "isolationLevel": isolation, "sessionId": 0,
        "sessionEpoch": -1, "topics": [cut(t, "topic" if version > 12 else "topicId") for t in topics],
        "forgottenTopicsData": [], "rackId": ""}}


def cut(fields, name):
    return {key: value for key, value in fields.items() if key != name}


def by_topic(wanted, name, fields):
    """`wanted`: (topic, one partition's fields); partitions of a topic together, in order."""
    topics = collections.OrderedDict()
    for topic, partition in wanted:
        topics.setdefault(topic, []).append(partition)
    return [{name: topic, fields: partitions} for topic, partitions in topics.items()]


def list_offsets(version, wanted, isolation=0):
    """`wanted`: (partition, timestamp, leader epoch)."""
    fields = [(p.topic, {"partitionIndex": p.number, "currentLeaderEpoch": epoch, "timestamp": time}) for p, time, epoch in wanted]
    return {"api": LIST_OFFSETS, "version": version, "body": {
        "replicaId": -1, "isolationLevel": isolation, "timeoutMs": 10_000, "topics": by_topic(fields, "name", "partitions")}}


def for_epochs(version, wanted):
    """`wanted`: (partition, epoch, leader epoch)."""
    fields = [(p.topic, {"partition": p.number, "currentLeaderEpoch": leader, "leaderEpoch": epoch}) for p, epoch, leader in wanted]
    return {"api": EPOCHS, "version": version, "body": {"replicaId": -1, "topics": by_topic(fields, "topic", "partitions")}}


def about_fetch(parts, ids, rng, number):
    """Every batch and its neighbours, sizes that end inside batches, both isolations; `number` of them, or all."""
    single = []
    newest = NEWEST[FETCH] if ids else 12
    for p in parts:
        offsets = {p.start - 1, p.start, 0, -1, p.end - 1, p.end, p.end + 1, p.end + 1000}
        for b in p.batches:
            offsets |= {b.first - 1, b.first, b.first + 1, b.last, b.last + 1}
        sizes = sorted({b.size for b in p.batches})
        for offset in sorted(offsets):
            single += [(p, offset, 1), (p, offset, MIB), (p, offset, 0)]
            single += [(p, offset, rng.choice(sizes) + rng.randint(-1, 1)) for _ in sizes[:1]]
            single += [(p, offset, rng.choice([16, 61, 500, 4096, 20_000]))]
    if number and len(single) > number:
        single = rng.sample(single, number)
    for one in single:
        yield fetch(newest, [one], rng.randint(0, 1))
    for version in range(4, newest + 1):
        some = rng.sample(parts, min(len(parts), 12))
        for p in some:
            offset = rng.randint(p.start, max(p.start, p.end))
            yield fetch(version, [(p, offset, MIB)], rng.randint(0, 1))
            yield fetch(version, [(p, p.end + 7, MIB)], 0)
        yield fetch(version, [(dataclasses.replace(parts[0], number=77), 0, MIB)], 0)
        yield fetch(version, [(dataclasses.replace(parts[0], topic="no-such-topic", id=NO_SUCH_ID), 0, MIB)], 0)
    # The budget of a request goes to one partition after the other; the first batch is always whole.
    for _ in range(120):
        some = rng.sample(parts, rng.randint(2, min(len(parts), 9)))
        yield fetch(newest, [(p, rng.randint(p.start, max(p.start, p.end)), rng.choice([0, 1, 300, 5000, MIB])) for p in some],
                    rng.randint(0, 1), rng.choice([0, 1, 100, 2000, 20_000, MIB]))
    for p in parts:
        yield fetch(newest, [(p, p.start, MIB, {"currentLeaderEpoch": 1000})], 0)
        if p.epoch > 0:
            yield fetch(newest, [(p, p.start, MIB, {"currentLeaderEpoch": p.epoch - 1})], 0)
        for epoch, start in p.epochs:
            for offset in {start, start + 1, p.end, max(p.start, start - 1)}:
                for last in {epoch, epoch - 1, epoch + 1}:
                    if last >= 0:
                        yield fetch(newest, [(p, offset, 1000, {"lastFetchedEpoch": last})], rng.randint(0, 1))


def about_offsets(parts, rng):
    for isolation in (0, 1):
        for special in SPECIAL:
            yield list_offsets(NEWEST[LIST_OFFSETS], [(p, special, -1) for p in parts], isolation)
    for version in range(1, NEWEST[LIST_OFFSETS] + 1):
        for special in [*SPECIAL, -7, -100]:
            yield list_offsets(version, [(rng.choice(parts), special, -1)])
    yield list_offsets(11, [(p, -1, epoch) for p in parts for epoch in [1000]])
    yield list_offsets(11, [(p, -1, p.epoch - 1) for p in parts if p.epoch > 0])
    yield list_offsets(11, [(parts[0], -1, -1), (parts[0], -2, -1), (parts[1], -1, -1)])
    wrong = [dataclasses.replace(parts[0], number=77), dataclasses.replace(parts[0], topic="no-such-topic"),
             dataclasses.replace(parts[0], topic="a/b")]
    yield list_offsets(11, [(p, -1, -1) for p in wrong])
    times = []
    for p in parts:
        known = sorted({b.time for b in p.batches if b.time >= 0})
        some = {0, 1 << 62, *(time + near for time in rng.sample(known, min(8, len(known))) for near in (-1, 0, 1))}
        some |= {known[-1], known[-1] + 1} if known else set()
        times.append([(p, time, -1) for time in sorted(some) if time >= 0])
    for i in range(max(map(len, times))):
        yield list_offsets(11, [t[i] for t in times if i < len(t)], i % 2)
    for version in (2, 3, 4):
        epochs = [(p, near, -1) for p in parts for near in sorted({e + d for e, _ in p.epochs for d in (-1, 0, 1)} | {0, 1000})]
        for some in collections.deque(epochs[i::40] for i in range(40)):
            yield for_epochs(version, distinct(some))
    yield for_epochs(4, [(p, 0, 1000) for p in parts])
    yield for_epochs(4, [(p, 0, p.epoch - 1) for p in parts if p.epoch > 0])
    yield for_epochs(4, [(p, 0, -1) for p in wrong[:2]])


def distinct(wanted):
    return list({(p.topic, p.number): (p, *more) for p, *more in wanted}.values())


def about_topics(parts, ids, rng):
    topics = sorted({p.topic for p in parts})
    some = [{"name": t, "topicId": "AAAAAAAAAAAAAAAAAAAAAA"} for t in [*topics[:3], "no-such-topic", "a/b", "", "x" * 250, ".", topics[0]]]
    for version in range(NEWEST[METADATA] + 1):
        yield metadata(version, None if version else [])
        yield metadata(version, [some[i] for i in (0, 1, 3)])
        if version:
            yield metadata(version, [])
    for one in some:
        yield metadata(13, [one])
    yield metadata(13, some)
    for version in (12, 13) if ids else ():
        yield metadata(version, [{"name": None, "topicId": p.id} for p in (parts[0], parts[-1])] + [{"name": None, "topicId": NO_SUCH_ID}])
    for limit in (1, 2, 7, 2000, 100_000, 0, -1):
        for cursor in [None, *({"topicName": p.topic, "partitionIndex": p.number} for p in rng.sample(parts, 4)),
                       {"topicName": "grouped", "partitionIndex": 1}, {"topicName": "b", "partitionIndex": 0},
                       {"topicName": "grouped", "partitionIndex": 99}, {"topicName": "grouped", "partitionIndex": -1}]:
            for names in ([], topics[1:4], ["no-such-topic", topics[0]], ["grouped", "epochs", "grouped"]):
                yield {"api": TOPIC_PARTITIONS, "version": 0, "body": {"topics": [{"name": n} for n in names], "cursor": cursor,
                                                                      "responsePartitionLimit": limit}}
    everywhere = by_topic([(p.topic, p.number) for p in parts], "topic", "partitions")
    for version in range(1, 6):
        for names in (None, everywhere[:3], [], [{"topic": "no-such-topic", "partitions": [0]}, {"topic": topics[0], "partitions": [0, 77]}]):
            yield {"api": LOG_DIRS, "version": version, "body": {"topics": names}}
    for some in ([(p.topic, p.number) for p in parts], [("no-such-topic", 0), (topics[0], 77), ("a/b", 0)]):
        yield {"api": PRODUCERS, "version": 0, "body": {"topics": by_topic(some, "name", "partitionIndexes")}}


def metadata(version, topics):
    return {"api": METADATA, "version": version, "body": {
        "topics": topics, "allowAutoTopicCreation": False, "includeClusterAuthorizedOperations": False,
        "includeTopicAuthorizedOperations": False}}


def about_groups(parts, ids, groups):
    topics = by_topic([(p.topic, p.number) for p in parts if p.topic in ("grouped", "txn-offsets", "epochs")], "name", "partitionIndexes")
    identities = {p.topic: p.id for p in parts}
    wrong = [{"name": "no-such-topic", "partitionIndexes": [0]}, {"name": "grouped", "partitionIndexes": [0, 77]}]
    for version in range(1, 10):
        for stable in (False, True):
            for names in (topics, wrong, [], *([None] if version > 1 else [])):
                one = {"memberId": None, "memberEpoch": -1, "topics": names}
                bodies = [{"groupId": g, "topics": names} for g in groups] if version < 8 else [
                    {"groups": [{"groupId": g, **one}]} for g in groups] + [{"groups": [{"groupId": g, **one} for g in groups]}]
                for body in bodies:
                    yield {"api": OFFSET_FETCH, "version": version, "body": {"requireStable": stable, **body}}
    for group in groups if ids else ():
        for names in (None, [{"topicId": identities["grouped"], "partitionIndexes": [0, 1, 77]}, {"topicId": NO_SUCH_ID, "partitionIndexes": [0]}]):
            yield {"api": OFFSET_FETCH, "version": 10, "body": {"requireStable": True, "groups": [
                {"groupId": group, "memberId": None, "memberEpoch": -1, "topics": names}]}}
    for version in range(7):
        yield {"api": DESCRIBE_GROUPS, "version": version, "body": {"groups": groups, "includeAuthorizedOperations": False}}
        for key_type in (0, 2, 9) if version else (0,):
            yield {"api": FIND_COORDINATOR, "version": version, "body": {"keyType": key_type, **(
                {"coordinatorKeys": groups[:2]} if version > 3 else {"key": groups[0]})}}
    for version in range(6):
        for states, types in (([], []), (["empty"], []), (["Stable"], []), (["Nonsense"], []), ([], ["Classic"]), ([], ["consumer"])):
            yield {"api": LIST_GROUPS, "version": version, "body": cut_below(
                {"statesFilter": states, "typesFilter": types}, version, {"statesFilter": 4, "typesFilter": 5})}


def cut_below(fields, version, since):
    return {key: value for key, value in fields.items() if version >= since[key]}


def about_cluster(parts):
    for version in range(6):
        yield {"api": API_VERSIONS, "version": version, "body": {"clientSoftwareName": "same", "clientSoftwareVersion": "1.0", "clusterId": None, "nodeId": -1}}
        yield {"api": API_VERSIONS, "version": version, "body": {"clientSoftwareName": "same!", "clientSoftwareVersion": "", "clusterId": None, "nodeId": -1}}
    for cluster, node in (("4L6g3nShT-eMCtK--X86sw", 1), ("4L6g3nShT-eMCtK--X86sw", 2), ("else", 1), (None, 2), ("else", -1)):
        yield {"api": API_VERSIONS, "version": 5, "body": {"clientSoftwareName": "same", "clientSoftwareVersion": "1.0", "clusterId": cluster, "nodeId": node}}
    for version in range(3):
        for kind in (1, 2, 3) if version else (1,):
            yield {"api": CLUSTER, "version": version, "body": {
                "includeClusterAuthorizedOperations": False, **({"endpointType": kind} if version else {}),
                **({"includeFencedBrokers": False} if version > 1 else {})}}
    for version in range(1, 5):
        resources = [(2, parts[0].topic), (2, "no-such-topic"), (2, "a/b"), (4, "1"), (4, ""), (4, "7"), (4, "x"), (1, "x"), (8, "1"), (32, "group-eager")]
        for kind, name in resources:
            if kind in (2, 4, 1):
                yield {"api": CONFIGS, "version": version, "body": {
                    "includeSynonyms": False, "includeDocumentation": False, "resources": [
                        {"resourceType": kind, "resourceName": name, "configurationKeys": None}]}}
    yield {"api": REASSIGNMENTS, "version": 0, "body": {"timeoutMs": 1000, "topics": None}}
    for version in (1, 2, 3):
        yield {"api": ACLS, "version": version, "body": {
            "resourceTypeFilter": 1, "resourceNameFilter": None, "patternTypeFilter": 3, "principalFilter": None, "hostFilter": None,
            "operation": 1, "permissionType": 1}}


def refused(parts):
    """Requests to write, and the one error that each is answered with; True where the connection is closed instead."""
    # Of 4 zeros nobody can make a batch, and nobody shall look.
    topic = {"partitionData": [{"index": 0, "records": "AAAAAA=="}, {"index": 77, "records": None}]}
    some = [{"name": parts[0].topic, "topicId": parts[0].id, **topic}, {"name": "no-such-topic", "topicId": NO_SUCH_ID, **topic}]
    for version in range(3, 14):
        body = {"transactionalId": None, "acks": -1, "timeoutMs": 1000, "topicData": [cut(t, "topicId" if version < 13 else "name") for t in some]}
        yield {"api": PRODUCE, "version": version, "body": body}, 29
        yield {"api": PRODUCE, "version": version, "body": {**body, "acks": 0}}, True
    for version in range(6):
        for identity, error in (("any", 53), (None, 31)):
            yield {"api": INIT_PRODUCER_ID, "version": version, "body": {
                "transactionalId": identity, "transactionTimeoutMs": 1000, "producerId": -1, "producerEpoch": -1, "enable2Pc": False, "keepPreparedTxn": False}}, error
    for version in range(1, 7):
        yield {"api": FIND_COORDINATOR, "version": version, "body": {"keyType": 1, **({"coordinatorKeys": ["any"]} if version > 3 else {"key": "any"})}}, 53


def requests(log_dir, seed, number):
    """All of them; about Fetch of single offsets `number` chosen by `seed`, or every one where that is None."""
    rng, parts = random.Random(seed), list(partitions(log_dir))
    ids = all(p.id for p in parts)
    yield from about_cluster(parts)
    yield from about_topics(parts, ids, rng)
    yield from about_offsets(parts, rng)
    yield from about_groups(parts, ids, GROUPS)
    yield from about_fetch(parts, ids, rng, number)


def versions():
    return {"api": API_VERSIONS, "version": 0, "body": {}}


def spoken(requests, newest):
    """What a release understands: `newest` versions by API."""
    for request in requests:
        if request["api"] in (FETCH, LIST_OFFSETS):
            yield {**request, "version": min(request["version"], newest[request["api"]])}
        elif request["version"] <= newest[request["api"]]:
            yield request


def create_topics(parts):
    """The topics of a log dir whose broker kept their names elsewhere."""
    count = collections.Counter(p.topic for p in parts)
    config = [{"name": "retention.ms", "value": "-1"}]
    return {"api": CREATE_TOPICS, "version": 7, "body": {"timeoutMs": 20_000, "validateOnly": False, "topics": [
        {"name": t, "numPartitions": n, "replicationFactor": 1, "assignments": [], "configs": config} for t, n in sorted(count.items())]}}


# ---- answers ----

KEYS = {"name", "topic", "topicId", "partition", "partitionIndex", "groupId", "apiKey", "producerId", "logDir", "key", "resourceName", "nodeId", "brokerId"}
ORDERED = {"abortedTransactions"}


def flat(value, path=()):
    """(path, value) of every leaf. Elements of a list are named by what identifies them, since the order is often that
    of a hash map; a second one of the same name is an element of its own."""
    if isinstance(value, dict):
        for name, inner in value.items():
            yield from flat(inner, (*path, name))
        if not value:
            yield path, {}
    elif isinstance(value, list):
        seen = collections.Counter()
        for i, inner in enumerate(value):
            identity = tuple(str(inner[k]) for k in inner if k in KEYS) if isinstance(inner, dict) and path[-1] not in ORDERED else (str(i),)
            seen[identity] += 1
            yield from flat(inner, (*path, (*identity, seen[identity]) if seen[identity] > 1 else identity))
        yield (*path, "()"), len(value)
    else:
        yield path, value


def without_ids(value):
    if isinstance(value, dict):
        return {name: without_ids(inner) for name, inner in value.items() if name != "topicId"}
    return [without_ids(inner) for inner in value] if isinstance(value, list) else value


def without_later_aborts(answer):
    """Without aborted transactions that begin behind what was given out: a broker names those up to an entry of its index."""
    for topic in answer.get("responses", ()):
        for p in topic["partitions"]:
            if p["abortedTransactions"]:
                last = min(p.get("records", {}).get("last", -1), p["lastStableOffset"] - 1)
                p["abortedTransactions"] = [t for t in p["abortedTransactions"] if t["firstOffset"] <= last]
    return answer


MISSING = "(nothing)"


def differences(theirs, ours):
    """(path, theirs, ours) of whatever is not the same."""
    theirs, ours = dict(flat(theirs)), dict(flat(ours))
    for path in [*theirs, *(p for p in ours if p not in theirs)]:
        left, right = theirs.get(path, MISSING), ours.get(path, MISSING)
        if left != right:
            yield path, left, right


def said(path):
    return ".".join(p if isinstance(p, str) else "[" + " ".join(map(str, p)) + "]" for p in path)


def kind(path):
    """The field, whichever topic and partition it is of."""
    return ".".join(p for p in path if isinstance(p, str))


def is_twice(request):
    """Whether a partition is asked for twice: releases differ in how often they answer."""
    return any(len({p["partitionIndex"] for p in t["partitions"]}) < len(t["partitions"]) for t in request["body"]["topics"])


class Known:
    """The differences that there have to be, each with its reason. A broker is alive: it leads, and has configs and features.

    `parts`: the partitions as their last broker left them, so that this one leads them with a later epoch than any that is
    in the files; None where seg was given what this very broker left."""

    def __init__(self, parts, real, server, written=()):
        self.parts = {(p.topic, p.number): p for p in parts or ()}
        self.names = {p.id: p.topic for p in parts or () if p.id}
        ids = {}
        for p in partitions(real.data):
            ids[p.topic] = p.id
        self.written = {name for topic, _ in written for name in (topic, ids.get(topic))}
        self.is_transplanted, self.is_older = real.is_transplanted, real.release < "4.4"
        self.ports = {int(s.address.rsplit(":", 1)[1]) for s in (real, server)}

    def reason(self, request, path, theirs, ours):
        api, field, list_of = request["api"], path[-1], path[0]
        if field == "port" and {theirs, ours} <= self.ports:
            return "the port"
        if self.is_older and (api == API_VERSIONS or api == FIND_COORDINATOR and theirs == 15 or api == LIST_OFFSETS and is_twice(request)):
            return "the broker is older"
        if api == LOG_DIRS and field == "partitionSize" and path[-2] != "()" and path[-4][0].startswith("preallocated"):
            return "a broker cuts off the zeros behind a preallocated log"
        if api == API_VERSIONS and (list_of in ("supportedFeatures", "finalizedFeatures", "finalizedFeaturesEpoch") or
                                    list_of == "apiKeys" and (ours == MISSING or field == "()")):
            return "a read-only server has fewer APIs and no features"
        if api == CONFIGS and "configs" in path:
            return "no disk says what the configs were"
        if api == LOG_DIRS and field == "usableBytes":
            return "time goes by"
        if field == "errorMessage":
            return "what is for people has other words"
        if api in (LIST_GROUPS, DESCRIBE_GROUPS) and (path[1] == "()" or path[1][0] in NEW_GROUPS):
            return "groups of the protocols that are not served"
        if field == "topicAuthorizedOperations":
            return "nobody asked what is allowed, and a broker says it"
        if self.is_transplanted and (field == "clusterId" or api == API_VERSIONS and request["body"].get("clusterId")):
            return "the topics are in another cluster"
        if self.written & self.topics(request, path) or self.written & {"__consumer_offsets"} and api in (LIST_GROUPS, DESCRIBE_GROUPS, OFFSET_FETCH):
            return "a client wrote to the topic since"
        part = self.part(path)
        return self.later(request, path, theirs, ours, part) if part else None

    def part(self, path):
        elements = [p for p in path if isinstance(p, tuple)]
        if len(elements) < 2 or not elements[-1][0].isdigit():
            return None
        for word in elements[-2]:
            if found := self.parts.get((self.names.get(word, word), int(elements[-1][0]))):
                return found
        return None

    def later(self, request, path, theirs, ours, part):
        """What follows from an epoch that began where the log ends, when the broker was started."""
        api, asked = request["api"], self.asked(request, part)
        why = "the broker leads in an epoch of its own"
        if path[-1] == "leaderEpoch" and ours == part.epoch and theirs > part.epoch:
            ends = (-1, -2, -4) if part.start == part.end else (-1,)
            if api in (METADATA, TOPIC_PARTITIONS) or "currentLeader" in path or api == LIST_OFFSETS and asked["timestamp"] in ends:
                return why
        if api == EPOCHS and asked["leaderEpoch"] > part.settled or api == FETCH and asked["lastFetchedEpoch"] > part.settled:
            return why
        return None

    def topics(self, request, path):
        """Names and ids of those that a request is about, and of the one in the answer."""
        asked = request["body"].get("topics") or ()
        out = {topic.get(field) for topic in asked for field in ("topic", "name", "topicId") if isinstance(topic, dict)}
        return out.union(*(element for element in path if isinstance(element, tuple)))

    def asked(self, request, part):
        for topic in request["body"].get("topics") or ():
            if topic.get("topic", topic.get("name")) == part.topic or topic.get("topicId") == part.id and part.id:
                for one in topic.get("partitions", ()):
                    if isinstance(one, dict) and one.get("partition", one.get("partitionIndex")) == part.number:
                        return one
        return None
