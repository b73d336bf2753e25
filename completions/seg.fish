# Print an optspec for argparse to handle cmd's options that are independent of any subcommand.
function __fish_seg_global_optspecs
    string join \n h/help V/version
end

function __fish_seg_needs_command
    # Figure out if the current invocation already has a command.
    set -l cmd (commandline -opc)
    set -e cmd[1]
    argparse -s (__fish_seg_global_optspecs) -- $cmd 2>/dev/null
    or return
    if set -q argv[1]
        # Also print the command, so this can be used to figure out what it is.
        echo $argv[1]
        return 1
    end
    return 0
end

function __fish_seg_using_subcommand
    set -l cmd (__fish_seg_needs_command)
    test -z "$cmd"
    and return 1
    contains -- $cmd[1] $argv
end

complete -c seg -n "__fish_seg_needs_command" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_needs_command" -s V -l version -d 'Print version'
complete -c seg -n "__fish_seg_needs_command" -f -a "ls" -d 'List what is on this disk: partitions, offsets, sizes'
complete -c seg -n "__fish_seg_needs_command" -f -a "dump" -d 'Print the batches or records of files or partitions'
complete -c seg -n "__fish_seg_needs_command" -f -a "lookup" -d 'Find the record of an offset or a time'
complete -c seg -n "__fish_seg_needs_command" -f -a "kafka-dump-log" -d 'Take the place of Kafka\'s own tool: its flags, its text'
complete -c seg -n "__fish_seg_needs_command" -f -a "verify" -d 'Judge every file and every byte: is it sound?'
complete -c seg -n "__fish_seg_needs_command" -f -a "explain" -d 'Say what a finding means, and what to do about it'
complete -c seg -n "__fish_seg_needs_command" -f -a "reindex" -d 'Build indexes anew from the log; --check only compares'
complete -c seg -n "__fish_seg_needs_command" -f -a "repair" -d 'Keep what can be kept of a damaged log; plans first'
complete -c seg -n "__fish_seg_needs_command" -f -a "write" -d 'Append records as Kafka would have, with all indexes'
complete -c seg -n "__fish_seg_needs_command" -f -a "serve" -d 'Let any Kafka client read these disks'
complete -c seg -n "__fish_seg_needs_command" -f -a "completions" -d 'Print a completion script for a shell'
complete -c seg -n "__fish_seg_using_subcommand ls" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand ls" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand ls" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand ls" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand ls" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand ls" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand ls" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand ls" -s s -l segments -d 'List the segments too'
complete -c seg -n "__fish_seg_using_subcommand ls" -l headers -d 'Walk every batch header: batches, records, codecs, magics, exact times'
complete -c seg -n "__fish_seg_using_subcommand ls" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand ls" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand ls" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand dump" -l kind -d 'Take files for this kind whatever their names say' -r -f -a "log\t'A .log file'
index\t'An offset index'
timeindex\t'A time index'
txnindex\t'A transaction index'
snapshot\t'A producer snapshot'
leader-epoch-checkpoint\t'A leader-epoch-checkpoint'
offset-checkpoint\t'One of the offset checkpoints of a log dir'
checkpoint\t'A KRaft snapshot'"
complete -c seg -n "__fish_seg_using_subcommand dump" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'
kafka\t'The text that kafka-dump-log 4.3.1 prints on stdout'"
complete -c seg -n "__fish_seg_using_subcommand dump" -l offsets -d 'Offsets from A up to B, without B; -100..: the last' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l time -d 'Times from A up to B: ms, RFC 3339, or \'2h ago\'' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l limit -d 'At most N records, or batches without -r' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l producer-id -d 'Only this producer\'s' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l leader-epoch -d 'Only what was appended under this leader epoch' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l codec -d 'Only batches of this codec' -r -f -a "none\t''
gzip\t''
snappy\t''
lz4\t''
zstd\t''"
complete -c seg -n "__fish_seg_using_subcommand dump" -l key-as -d 'How to show keys' -r -f -a "auto\t'Text where it is valid UTF-8, else hex (in JSON `{"base64": …}`)'
text\t'Text, with replacement characters where it is not UTF-8'
hex\t'Hexadecimal digits'
base64\t'Base64'
json\t'JSON as it is; what is not JSON is shown as with `auto`'
i32\t'A big-endian 32-bit number; other lengths as with `auto`'
i64\t'A big-endian 64-bit number; other lengths as with `auto`'
f64\t'A big-endian 64-bit floating point number; other lengths as with `auto`'
uuid\t'A UUID of 16 bytes; other lengths as with `auto`'
none\t'Not at all'"
complete -c seg -n "__fish_seg_using_subcommand dump" -l value-as -d 'How to show values' -r -f -a "auto\t'Text where it is valid UTF-8, else hex (in JSON `{"base64": …}`)'
text\t'Text, with replacement characters where it is not UTF-8'
hex\t'Hexadecimal digits'
base64\t'Base64'
json\t'JSON as it is; what is not JSON is shown as with `auto`'
i32\t'A big-endian 32-bit number; other lengths as with `auto`'
i64\t'A big-endian 64-bit number; other lengths as with `auto`'
f64\t'A big-endian 64-bit floating point number; other lengths as with `auto`'
uuid\t'A UUID of 16 bytes; other lengths as with `auto`'
none\t'Not at all'"
complete -c seg -n "__fish_seg_using_subcommand dump" -l decode -d 'Decode an internal topic [default: by its name]' -r -f -a "consumer-offsets\t'__consumer_offsets'
transaction-state\t'__transaction_state'
none\t'Leave keys and values as they are'"
complete -c seg -n "__fish_seg_using_subcommand dump" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand dump" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand dump" -s r -l records -d 'Print the records, not the batches'
complete -c seg -n "__fish_seg_using_subcommand dump" -l committed -d 'Hide what was not committed, and control records'
complete -c seg -n "__fish_seg_using_subcommand dump" -l control -d 'Only control records'
complete -c seg -n "__fish_seg_using_subcommand dump" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand dump" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand dump" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand lookup" -l offset -d 'The record at this offset' -r -f
complete -c seg -n "__fish_seg_using_subcommand lookup" -l time -d 'The first from then on: ms, RFC 3339, or \'2h ago\'' -r -f
complete -c seg -n "__fish_seg_using_subcommand lookup" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand lookup" -l key-as -d 'How to show keys' -r -f -a "auto\t'Text where it is valid UTF-8, else hex (in JSON `{"base64": …}`)'
text\t'Text, with replacement characters where it is not UTF-8'
hex\t'Hexadecimal digits'
base64\t'Base64'
json\t'JSON as it is; what is not JSON is shown as with `auto`'
i32\t'A big-endian 32-bit number; other lengths as with `auto`'
i64\t'A big-endian 64-bit number; other lengths as with `auto`'
f64\t'A big-endian 64-bit floating point number; other lengths as with `auto`'
uuid\t'A UUID of 16 bytes; other lengths as with `auto`'
none\t'Not at all'"
complete -c seg -n "__fish_seg_using_subcommand lookup" -l value-as -d 'How to show values' -r -f -a "auto\t'Text where it is valid UTF-8, else hex (in JSON `{"base64": …}`)'
text\t'Text, with replacement characters where it is not UTF-8'
hex\t'Hexadecimal digits'
base64\t'Base64'
json\t'JSON as it is; what is not JSON is shown as with `auto`'
i32\t'A big-endian 32-bit number; other lengths as with `auto`'
i64\t'A big-endian 64-bit number; other lengths as with `auto`'
f64\t'A big-endian 64-bit floating point number; other lengths as with `auto`'
uuid\t'A UUID of 16 bytes; other lengths as with `auto`'
none\t'Not at all'"
complete -c seg -n "__fish_seg_using_subcommand lookup" -l decode -d 'Decode an internal topic [default: by its name]' -r -f -a "consumer-offsets\t'__consumer_offsets'
transaction-state\t'__transaction_state'
none\t'Leave keys and values as they are'"
complete -c seg -n "__fish_seg_using_subcommand lookup" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand lookup" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand lookup" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand lookup" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand lookup" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand lookup" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand lookup" -l explain -d 'Show every step of the search and what it cost'
complete -c seg -n "__fish_seg_using_subcommand lookup" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand lookup" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand lookup" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l files -d 'What to dump, with commas between' -r -F
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l max-bytes -d 'Only batches that end within so many' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l max-message-size -d 'Taken and not needed: a batch of any size is read' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l key-decoder-class -d 'How to print keys' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l value-decoder-class -d 'How to print values' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l print-data-log -d 'Print records with keys and values'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l deep-iteration -d 'Print records without keys and values'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l skip-record-metadata -d 'Of records, only keys and values'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l verify-index-only -d 'Only what is wrong with indexes'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l index-sanity-check -d 'Look at indexes as a broker that starts'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l offsets-decoder -d 'Decode the records of __consumer_offsets'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l transaction-log-decoder -d 'Decode the records of __transaction_state'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l cluster-metadata-decoder -d 'Decode the records of __cluster_metadata'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l share-group-state-decoder -d 'Decode the records of __share_group_state'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l remote-log-metadata-decoder -d 'Not supported: refused'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -l version -d 'Print the release that this follows'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand kafka-dump-log" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand verify" -l kind -d 'Take files for this kind whatever their names say' -r -f -a "log\t'A .log file'
index\t'An offset index'
timeindex\t'A time index'
txnindex\t'A transaction index'
snapshot\t'A producer snapshot'
leader-epoch-checkpoint\t'A leader-epoch-checkpoint'
offset-checkpoint\t'One of the offset checkpoints of a log dir'
checkpoint\t'A KRaft snapshot'"
complete -c seg -n "__fish_seg_using_subcommand verify" -l max-duration -d 'Stop after so long: 90s, 10m, 2h' -r -f
complete -c seg -n "__fish_seg_using_subcommand verify" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand verify" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand verify" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand verify" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand verify" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand verify" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand verify" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand verify" -l headers -d 'Look at batch headers only: framing and order'
complete -c seg -n "__fish_seg_using_subcommand verify" -l mmap -d 'Map files instead of reading them: faster, for healthy disks only'
complete -c seg -n "__fish_seg_using_subcommand verify" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand verify" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand verify" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand explain" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand explain" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand reindex" -l only -d 'Only files of these kinds' -r -f -a "index\t'Offset indexes'
timeindex\t'Time indexes'
txnindex\t'Transaction indexes'
snapshot\t'Producer snapshots'
leader-epoch-checkpoint\t'leader-epoch-checkpoint'"
complete -c seg -n "__fish_seg_using_subcommand reindex" -l index-interval-bytes -d 'Bytes of log an index entry stands for' -r -f
complete -c seg -n "__fish_seg_using_subcommand reindex" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand reindex" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand reindex" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand reindex" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand reindex" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand reindex" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand reindex" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand reindex" -l check -d 'Compare only, write nothing'
complete -c seg -n "__fish_seg_using_subcommand reindex" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand reindex" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand reindex" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand repair" -l plan -d 'Write the plan; with --apply: only what it says' -r -F
complete -c seg -n "__fish_seg_using_subcommand repair" -l backup -d 'Where originals are kept' -r -f -a "(__fish_complete_directories)"
complete -c seg -n "__fish_seg_using_subcommand repair" -l to -d 'Write repaired copies there instead' -r -f -a "(__fish_complete_directories)"
complete -c seg -n "__fish_seg_using_subcommand repair" -l index-interval-bytes -d 'How many bytes of the log an index entry stands for, as in Kafka\'s index.interval.bytes' -r -f
complete -c seg -n "__fish_seg_using_subcommand repair" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand repair" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand repair" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand repair" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand repair" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand repair" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand repair" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand repair" -l apply -d 'Carry the plan out'
complete -c seg -n "__fish_seg_using_subcommand repair" -l sole-copy -d 'With --apply: also a plan that loses records'
complete -c seg -n "__fish_seg_using_subcommand repair" -l undo -d 'Take the last repair back'
complete -c seg -n "__fish_seg_using_subcommand repair" -l accept-single-bit -d 'Set any one bit back that explains a checksum'
complete -c seg -n "__fish_seg_using_subcommand repair" -l like-broker -d 'Cut the log at the first damage, as a broker does'
complete -c seg -n "__fish_seg_using_subcommand repair" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand repair" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand repair" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand write" -l key-separator -d 'With --lines: what stands between key and value' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l generate -d 'Make up N records instead' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l record-size -d 'With --generate: the bytes of a value' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l seed -d 'With --generate: another number, other records; also for what is chosen at random' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l keys -d 'With --generate: how many different keys; 0: null keys' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l payload -d 'With --generate: what values are made of' -r -f -a "json\t'JSON objects, as applications write them'
random\t'Bytes that do not compress'
zero\t'Zeros'"
complete -c seg -n "__fish_seg_using_subcommand write" -l topic -d 'The topic; its partitions are in DIR' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l partitions -d 'How many it has [default: those there, or 1]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l partitioner -d 'How records find their partition, unless they have a field \'partition\'' -r -f -a "murmur2\t'As Kafka\'s producers do: by the key; without one, batch by batch'
round-robin\t'One after the other'
random\t'Any'
sticky\t'Batch by batch, whatever the key'"
complete -c seg -n "__fish_seg_using_subcommand write" -l topic-id -d 'For partitions that are new [default: that of the topic\'s other partitions, or a new one]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l leader-epoch -d 'The leader epoch of what is written [default: the partition\'s latest, or 0]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l batch-size -d 'When a batch is full' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l linger-ms -d 'A batch takes no record that is later than its first by more, which is looked at when that record comes [default: any]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l max-request-size -d 'A larger record is refused' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l compression-type -d 'The codec' -r -f -a "none\t'Not at all'
gzip\t'gzip'
snappy\t'Snappy, in Java\'s framing'
lz4\t'LZ4'
zstd\t'Zstandard'"
complete -c seg -n "__fish_seg_using_subcommand write" -l compression-gzip-level -d '1 to 9 [default: 6]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l compression-lz4-level -d '9, Kafka\'s fast one, is the only one' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l compression-zstd-level -d '-131072 to 22 [default: 3]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l magic -d 'The format of batches: 0 and 1 are of brokers before 0.11' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l message-timestamp-type -d 'Whether timestamps are those of records or the time of the append; with --keep-timestamps LogAppendTime is the time that the records come with' -r -f -a "CreateTime\t'Those of the records'
LogAppendTime\t'When a batch was appended'"
complete -c seg -n "__fish_seg_using_subcommand write" -l message-timestamp-after-max-ms -d 'A record is refused whose timestamp lies further in the future [default: none; Kafka\'s: 1 h]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l message-timestamp-before-max-ms -d 'A record is refused whose timestamp lies further in the past [default: none]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l index-interval-bytes -d 'How many bytes of the log an index entry stands for' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l segment-bytes -d 'The largest segment' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l segment-ms -d 'The longest time between a segment\'s first batch and its last' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l segment-index-bytes -d 'The largest index' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l flush-interval-messages -d 'After how many records the log is on the disk [default: at the end, and where segments end]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l cleanup-policy -d '\'compact\': records without a key are refused [default: as the log dir knows]' -r -f -a "delete\t'They are deleted some day'
compact\t'The last of each key is kept'"
complete -c seg -n "__fish_seg_using_subcommand write" -l format -d 'The form of the answer' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand write" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand write" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand write" -l lines -d 'Each line of stdin is a value'
complete -c seg -n "__fish_seg_using_subcommand write" -l keep-offsets -d 'Records keep the offsets that they come with'
complete -c seg -n "__fish_seg_using_subcommand write" -l keep-timestamps -d 'Records keep their timestamps'
complete -c seg -n "__fish_seg_using_subcommand write" -l compare-compression -d 'Write nothing: try every codec and level'
complete -c seg -n "__fish_seg_using_subcommand write" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand write" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand write" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand serve" -l listen -d 'Where to listen' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l advertise -d 'Where clients are told to connect to' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l node-id -d 'The broker id that clients see [default: the lowest of meta.properties]' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l num-network-threads -d 'Threads that read requests and send answers' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l num-io-threads -d 'Threads that find the bytes for them' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l queued-max-requests -d 'Requests that wait for such a thread; further ones stay with their connections' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l fetch-max-bytes -d 'The most bytes of one Fetch answer; one batch may be larger' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l socket-request-max-bytes -d 'The longest request' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l socket-send-buffer-bytes -d 'What the kernel holds of an answer for a client that is slow to take it' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l max-connections -d 'Connections at one time' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l max-connections-per-ip -d 'Connections of one address at one time' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l connections-max-idle-ms -d 'A connection that asks nothing for so long is closed' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l check -d 'What is checked first' -r -f -a "tail\t'The end of each partition, behind its last index entry'
unflushed\t'What a broker would: after a crash, all behind the recovery point'
all\t'Every byte'"
complete -c seg -n "__fish_seg_using_subcommand serve" -l offsets-out -d 'At the end, write what groups committed here' -r -F
complete -c seg -n "__fish_seg_using_subcommand serve" -l group-initial-rebalance-delay-ms -d 'How long the first member of a group waits for others' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l metrics -d 'Answer GET /metrics for Prometheus here' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l log -d 'Log to stderr' -r -f -a "text\t'Lines for people'
json\t'JSON lines'"
complete -c seg -n "__fish_seg_using_subcommand serve" -l format -d 'The form of what it says' -r -f -a "text\t'For people; may change'
json\t'JSON lines; a stable contract'"
complete -c seg -n "__fish_seg_using_subcommand serve" -l color -d 'When to use colour' -r -f -a "auto\t'On a terminal, unless NO_COLOR is set'
always\t'Always'
never\t'Never'"
complete -c seg -n "__fish_seg_using_subcommand serve" -l threads -d 'How many threads to use; the output is the same for every number [default: all cores]' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l max-decompressed-bytes -d 'The most bytes that one batch may decompress to' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l max-batch-bytes -d 'The largest batch that is read into memory of a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l max-resync-bytes -d 'How far behind damage the next batch is looked for in a file that is not mapped' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l max-index-bytes -d 'The most that is looked at of an index, and of any other file derived from a log' -r -f
complete -c seg -n "__fish_seg_using_subcommand serve" -l allow-remote -d 'Let other machines in; nothing is authenticated'
complete -c seg -n "__fish_seg_using_subcommand serve" -l skip-damaged -d 'Step over damage as over gaps of compaction'
complete -c seg -n "__fish_seg_using_subcommand serve" -l forget-offsets -d 'Begin without committed offsets'
complete -c seg -n "__fish_seg_using_subcommand serve" -s q -l quiet -d 'No progress bar'
complete -c seg -n "__fish_seg_using_subcommand serve" -s v -l verbose -d 'Show notes too: legal, but worth knowing'
complete -c seg -n "__fish_seg_using_subcommand serve" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand completions" -s h -l help -d 'Print help (see more with \'--help\')'
complete -c seg -n "__fish_seg_using_subcommand lookup" -f -a "(__fish_complete_directories)"
complete -c seg -n "__fish_seg_using_subcommand explain" -f -a "batch-crc\t'a batch\'s checksum is not that of its bytes'
batch-length\t'a batch\'s length field cannot be right'
batch-magic\t'a batch\'s magic is none of 0, 1, 2'
torn-tail\t'the file ends in the beginning of a batch'
growing-tail\t'the last batch is being written'
preallocated-tail\t'nothing but zeros to the end of the file'
unclaimed-bytes\t'bytes that belong to no batch'
unreadable-range\t'the device does not give these bytes'
sector-zeroed\t'whole 512-byte blocks of a damaged batch are zeros'
unknown-codec\t'no codec has this compression id'
decompression\t'the payload does not decompress'
decompression-trailing\t'bytes behind the end of the compressed stream'
decompression-checksum\t'the compressed stream\'s own checksum disagrees'
record-structure\t'a record\'s lengths do not fit'
record-count\t'the header\'s count is not the number of records'
record-offset-delta\t'a record\'s offset is not above the one before it'
last-offset-delta\t'the last offset of a batch cannot be right'
max-timestamp\t'the header\'s greatest timestamp is not that of the records'
timestamp-unit\t'timestamps that are not milliseconds, or lie in the future'
reserved-attributes\t'attribute bits that no Kafka sets'
non-canonical-varint\t'a varint that is longer than it need be'
header-key-utf8\t'a record header\'s key is not UTF-8'
control-record\t'a control record does not read as one'
producer-fields\t'the producer fields of a batch contradict each other'
wrapper-message\t'a compressed message of magic 0 or 1 breaks its rules'
legacy-format\t'batches of magic 0 or 1'
offset-goes-back\t'a batch begins at or below the offset before it'
offset-below-segment\t'a batch begins below the offset in the file\'s name'
offset-beyond-next-segment\t'a batch ends at or above the name of the next file'
offset-overflow\t'an offset is too far from the file\'s name to be indexed'
offset-gap\t'offsets that no batch has'
leader-epoch-goes-back\t'a leader epoch is lower than one before it'
leader-epoch-differs\t'a leader epoch is not what leader-epoch-checkpoint says'
sequence-gap\t'sequence numbers of a producer are missing'
sequence-repeats\t'sequence numbers of a producer come again'
index-missing\t'there is no .index beside a .log'
time-index-missing\t'there is no .timeindex beside a .log'
txn-index-missing\t'an aborted transaction is not in the .txnindex'
index-length\t'bytes behind the last whole entry of an .index'
time-index-length\t'bytes behind the last whole entry of a .timeindex'
txn-index-length\t'bytes behind the last whole entry of a .txnindex'
index-zero-tail\t'an .index was preallocated and never trimmed'
time-index-zero-tail\t'a .timeindex was preallocated and never trimmed'
index-order\t'entries of an .index do not rise'
time-index-order\t'entries of a .timeindex do not rise'
index-unsafe\t'an .index entry makes a lookup start too late'
time-index-unsafe\t'a .timeindex entry makes a search start too late'
index-position\t'an .index entry points to no batch\'s beginning'
index-stale\t'an .index entry is past the end of the log'
time-index-stale\t'a .timeindex entry is past the end of the log'
index-coarse\t'index entries name other offsets than their batches\' last ones'
index-sparse\t'an index has far fewer entries than usual'
time-index-last\t'a .timeindex does not end in the greatest timestamp'
txn-index-entry\t'a .txnindex entry is contradicted by the log'
snapshot-damaged\t'a producer snapshot has a wrong length, version or checksum'
snapshot-differs\t'a producer snapshot is not what the log gives'
open-transaction\t'a transaction was begun and never ended'
leader-epoch-checkpoint\t'leader-epoch-checkpoint does not fit'
checkpoint\t'a checkpoint of a log dir does not parse or points too far'
partition-metadata\t'partition.metadata does not parse or contradicts its place'
meta-properties\t'meta.properties does not parse or contradicts another one'
quorum-state\t'quorum-state does not read as what it is'
log-missing\t'index files without their .log'
segment-empty\t'a .log without a batch'
interrupted-replace\t'a replacement of segments was interrupted'
delete-pending\t'about to be deleted'
stray-directory\t'a directory that is no partition\'s'
stray-file\t'a file that is not Kafka\'s'
not-readable\t'a file that cannot be opened'
truncated-while-reading\t'a file became shorter while it was read'
vanished\t'a file was there when the directory was listed'
replaced\t'a file was replaced while it was read'
limit\t'a limit of this program\'s stopped the look'"
complete -c seg -n "__fish_seg_using_subcommand repair" -f -a "(__fish_complete_directories)"
complete -c seg -n "__fish_seg_using_subcommand write" -f -a "(__fish_complete_directories)"
complete -c seg -n "__fish_seg_using_subcommand completions" -f -a "bash\t''
elvish\t''
fish\t''
powershell\t''
zsh\t''"
