
using namespace System.Management.Automation
using namespace System.Management.Automation.Language

Register-ArgumentCompleter -Native -CommandName 'seg' -ScriptBlock {
    param($wordToComplete, $commandAst, $cursorPosition)

    $commandElements = $commandAst.CommandElements
    $command = @(
        'seg'
        for ($i = 1; $i -lt $commandElements.Count; $i++) {
            $element = $commandElements[$i]
            if ($element -isnot [StringConstantExpressionAst] -or
                $element.StringConstantType -ne [StringConstantType]::BareWord -or
                $element.Value.StartsWith('-') -or
                $element.Value -eq $wordToComplete) {
                break
        }
        $element.Value
    }) -join ';'

    $completions = @(switch ($command) {
        'seg' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('-V', '-V ', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print version')
            [CompletionResult]::new('ls', 'ls', [CompletionResultType]::ParameterValue, 'List what is on this disk: partitions, offsets, sizes')
            [CompletionResult]::new('dump', 'dump', [CompletionResultType]::ParameterValue, 'Print the batches or records of files or partitions')
            [CompletionResult]::new('lookup', 'lookup', [CompletionResultType]::ParameterValue, 'Find the record of an offset or a time')
            [CompletionResult]::new('kafka-dump-log', 'kafka-dump-log', [CompletionResultType]::ParameterValue, 'Take the place of Kafka''s own tool: its flags, its text')
            [CompletionResult]::new('verify', 'verify', [CompletionResultType]::ParameterValue, 'Judge every file and every byte: is it sound?')
            [CompletionResult]::new('explain', 'explain', [CompletionResultType]::ParameterValue, 'Say what a finding means, and what to do about it')
            [CompletionResult]::new('reindex', 'reindex', [CompletionResultType]::ParameterValue, 'Build indexes anew from the log; --check only compares')
            [CompletionResult]::new('repair', 'repair', [CompletionResultType]::ParameterValue, 'Keep what can be kept of a damaged log; plans first')
            [CompletionResult]::new('write', 'write', [CompletionResultType]::ParameterValue, 'Append records as Kafka would have, with all indexes')
            [CompletionResult]::new('serve', 'serve', [CompletionResultType]::ParameterValue, 'Let any Kafka client read these disks')
            [CompletionResult]::new('completions', 'completions', [CompletionResultType]::ParameterValue, 'Print a completion script for a shell')
            break
        }
        'seg;ls' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('-s', '-s', [CompletionResultType]::ParameterName, 'List the segments too')
            [CompletionResult]::new('--segments', '--segments', [CompletionResultType]::ParameterName, 'List the segments too')
            [CompletionResult]::new('--headers', '--headers', [CompletionResultType]::ParameterName, 'Walk every batch header: batches, records, codecs, magics, exact times')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;dump' {
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'Take files for this kind whatever their names say')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('--offsets', '--offsets', [CompletionResultType]::ParameterName, 'Offsets from A up to B, without B; -100..: the last')
            [CompletionResult]::new('--time', '--time', [CompletionResultType]::ParameterName, 'Times from A up to B: ms, RFC 3339, or ''2h ago''')
            [CompletionResult]::new('--limit', '--limit', [CompletionResultType]::ParameterName, 'At most N records, or batches without -r')
            [CompletionResult]::new('--producer-id', '--producer-id', [CompletionResultType]::ParameterName, 'Only this producer''s')
            [CompletionResult]::new('--leader-epoch', '--leader-epoch', [CompletionResultType]::ParameterName, 'Only what was appended under this leader epoch')
            [CompletionResult]::new('--codec', '--codec', [CompletionResultType]::ParameterName, 'Only batches of this codec')
            [CompletionResult]::new('--key-as', '--key-as', [CompletionResultType]::ParameterName, 'How to show keys')
            [CompletionResult]::new('--value-as', '--value-as', [CompletionResultType]::ParameterName, 'How to show values')
            [CompletionResult]::new('--decode', '--decode', [CompletionResultType]::ParameterName, 'Decode an internal topic [default: by its name]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('-r', '-r', [CompletionResultType]::ParameterName, 'Print the records, not the batches')
            [CompletionResult]::new('--records', '--records', [CompletionResultType]::ParameterName, 'Print the records, not the batches')
            [CompletionResult]::new('--committed', '--committed', [CompletionResultType]::ParameterName, 'Hide what was not committed, and control records')
            [CompletionResult]::new('--control', '--control', [CompletionResultType]::ParameterName, 'Only control records')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;lookup' {
            [CompletionResult]::new('--offset', '--offset', [CompletionResultType]::ParameterName, 'The record at this offset')
            [CompletionResult]::new('--time', '--time', [CompletionResultType]::ParameterName, 'The first from then on: ms, RFC 3339, or ''2h ago''')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('--key-as', '--key-as', [CompletionResultType]::ParameterName, 'How to show keys')
            [CompletionResult]::new('--value-as', '--value-as', [CompletionResultType]::ParameterName, 'How to show values')
            [CompletionResult]::new('--decode', '--decode', [CompletionResultType]::ParameterName, 'Decode an internal topic [default: by its name]')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('--explain', '--explain', [CompletionResultType]::ParameterName, 'Show every step of the search and what it cost')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;kafka-dump-log' {
            [CompletionResult]::new('--files', '--files', [CompletionResultType]::ParameterName, 'What to dump, with commas between')
            [CompletionResult]::new('--max-bytes', '--max-bytes', [CompletionResultType]::ParameterName, 'Only batches that end within so many')
            [CompletionResult]::new('--max-message-size', '--max-message-size', [CompletionResultType]::ParameterName, 'Taken and not needed: a batch of any size is read')
            [CompletionResult]::new('--key-decoder-class', '--key-decoder-class', [CompletionResultType]::ParameterName, 'How to print keys')
            [CompletionResult]::new('--value-decoder-class', '--value-decoder-class', [CompletionResultType]::ParameterName, 'How to print values')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('--print-data-log', '--print-data-log', [CompletionResultType]::ParameterName, 'Print records with keys and values')
            [CompletionResult]::new('--deep-iteration', '--deep-iteration', [CompletionResultType]::ParameterName, 'Print records without keys and values')
            [CompletionResult]::new('--skip-record-metadata', '--skip-record-metadata', [CompletionResultType]::ParameterName, 'Of records, only keys and values')
            [CompletionResult]::new('--verify-index-only', '--verify-index-only', [CompletionResultType]::ParameterName, 'Only what is wrong with indexes')
            [CompletionResult]::new('--index-sanity-check', '--index-sanity-check', [CompletionResultType]::ParameterName, 'Look at indexes as a broker that starts')
            [CompletionResult]::new('--offsets-decoder', '--offsets-decoder', [CompletionResultType]::ParameterName, 'Decode the records of __consumer_offsets')
            [CompletionResult]::new('--transaction-log-decoder', '--transaction-log-decoder', [CompletionResultType]::ParameterName, 'Decode the records of __transaction_state')
            [CompletionResult]::new('--cluster-metadata-decoder', '--cluster-metadata-decoder', [CompletionResultType]::ParameterName, 'Decode the records of __cluster_metadata')
            [CompletionResult]::new('--share-group-state-decoder', '--share-group-state-decoder', [CompletionResultType]::ParameterName, 'Decode the records of __share_group_state')
            [CompletionResult]::new('--remote-log-metadata-decoder', '--remote-log-metadata-decoder', [CompletionResultType]::ParameterName, 'Not supported: refused')
            [CompletionResult]::new('--version', '--version', [CompletionResultType]::ParameterName, 'Print the release that this follows')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;verify' {
            [CompletionResult]::new('--kind', '--kind', [CompletionResultType]::ParameterName, 'Take files for this kind whatever their names say')
            [CompletionResult]::new('--max-duration', '--max-duration', [CompletionResultType]::ParameterName, 'Stop after so long: 90s, 10m, 2h')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('--headers', '--headers', [CompletionResultType]::ParameterName, 'Look at batch headers only: framing and order')
            [CompletionResult]::new('--mmap', '--mmap', [CompletionResultType]::ParameterName, 'Map files instead of reading them: faster, for healthy disks only')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;explain' {
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;reindex' {
            [CompletionResult]::new('--only', '--only', [CompletionResultType]::ParameterName, 'Only files of these kinds')
            [CompletionResult]::new('--index-interval-bytes', '--index-interval-bytes', [CompletionResultType]::ParameterName, 'Bytes of log an index entry stands for')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'Compare only, write nothing')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;repair' {
            [CompletionResult]::new('--plan', '--plan', [CompletionResultType]::ParameterName, 'Write the plan; with --apply: only what it says')
            [CompletionResult]::new('--backup', '--backup', [CompletionResultType]::ParameterName, 'Where originals are kept')
            [CompletionResult]::new('--to', '--to', [CompletionResultType]::ParameterName, 'Write repaired copies there instead')
            [CompletionResult]::new('--index-interval-bytes', '--index-interval-bytes', [CompletionResultType]::ParameterName, 'How many bytes of the log an index entry stands for, as in Kafka''s index.interval.bytes')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('--apply', '--apply', [CompletionResultType]::ParameterName, 'Carry the plan out')
            [CompletionResult]::new('--sole-copy', '--sole-copy', [CompletionResultType]::ParameterName, 'With --apply: also a plan that loses records')
            [CompletionResult]::new('--undo', '--undo', [CompletionResultType]::ParameterName, 'Take the last repair back')
            [CompletionResult]::new('--accept-single-bit', '--accept-single-bit', [CompletionResultType]::ParameterName, 'Set any one bit back that explains a checksum')
            [CompletionResult]::new('--like-broker', '--like-broker', [CompletionResultType]::ParameterName, 'Cut the log at the first damage, as a broker does')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;write' {
            [CompletionResult]::new('--key-separator', '--key-separator', [CompletionResultType]::ParameterName, 'With --lines: what stands between key and value')
            [CompletionResult]::new('--generate', '--generate', [CompletionResultType]::ParameterName, 'Make up N records instead')
            [CompletionResult]::new('--record-size', '--record-size', [CompletionResultType]::ParameterName, 'With --generate: the bytes of a value')
            [CompletionResult]::new('--seed', '--seed', [CompletionResultType]::ParameterName, 'With --generate: another number, other records; also for what is chosen at random')
            [CompletionResult]::new('--keys', '--keys', [CompletionResultType]::ParameterName, 'With --generate: how many different keys; 0: null keys')
            [CompletionResult]::new('--payload', '--payload', [CompletionResultType]::ParameterName, 'With --generate: what values are made of')
            [CompletionResult]::new('--topic', '--topic', [CompletionResultType]::ParameterName, 'The topic; its partitions are in DIR')
            [CompletionResult]::new('--partitions', '--partitions', [CompletionResultType]::ParameterName, 'How many it has [default: those there, or 1]')
            [CompletionResult]::new('--partitioner', '--partitioner', [CompletionResultType]::ParameterName, 'How records find their partition, unless they have a field ''partition''')
            [CompletionResult]::new('--topic-id', '--topic-id', [CompletionResultType]::ParameterName, 'For partitions that are new [default: that of the topic''s other partitions, or a new one]')
            [CompletionResult]::new('--leader-epoch', '--leader-epoch', [CompletionResultType]::ParameterName, 'The leader epoch of what is written [default: the partition''s latest, or 0]')
            [CompletionResult]::new('--batch-size', '--batch-size', [CompletionResultType]::ParameterName, 'When a batch is full')
            [CompletionResult]::new('--linger-ms', '--linger-ms', [CompletionResultType]::ParameterName, 'A batch takes no record that is later than its first by more, which is looked at when that record comes [default: any]')
            [CompletionResult]::new('--max-request-size', '--max-request-size', [CompletionResultType]::ParameterName, 'A larger record is refused')
            [CompletionResult]::new('--compression-type', '--compression-type', [CompletionResultType]::ParameterName, 'The codec')
            [CompletionResult]::new('--compression-gzip-level', '--compression-gzip-level', [CompletionResultType]::ParameterName, '1 to 9 [default: 6]')
            [CompletionResult]::new('--compression-lz4-level', '--compression-lz4-level', [CompletionResultType]::ParameterName, '9, Kafka''s fast one, is the only one')
            [CompletionResult]::new('--compression-zstd-level', '--compression-zstd-level', [CompletionResultType]::ParameterName, '-131072 to 22 [default: 3]')
            [CompletionResult]::new('--magic', '--magic', [CompletionResultType]::ParameterName, 'The format of batches: 0 and 1 are of brokers before 0.11')
            [CompletionResult]::new('--message-timestamp-type', '--message-timestamp-type', [CompletionResultType]::ParameterName, 'Whether timestamps are those of records or the time of the append; with --keep-timestamps LogAppendTime is the time that the records come with')
            [CompletionResult]::new('--message-timestamp-after-max-ms', '--message-timestamp-after-max-ms', [CompletionResultType]::ParameterName, 'A record is refused whose timestamp lies further in the future [default: none; Kafka''s: 1 h]')
            [CompletionResult]::new('--message-timestamp-before-max-ms', '--message-timestamp-before-max-ms', [CompletionResultType]::ParameterName, 'A record is refused whose timestamp lies further in the past [default: none]')
            [CompletionResult]::new('--index-interval-bytes', '--index-interval-bytes', [CompletionResultType]::ParameterName, 'How many bytes of the log an index entry stands for')
            [CompletionResult]::new('--segment-bytes', '--segment-bytes', [CompletionResultType]::ParameterName, 'The largest segment')
            [CompletionResult]::new('--segment-ms', '--segment-ms', [CompletionResultType]::ParameterName, 'The longest time between a segment''s first batch and its last')
            [CompletionResult]::new('--segment-index-bytes', '--segment-index-bytes', [CompletionResultType]::ParameterName, 'The largest index')
            [CompletionResult]::new('--flush-interval-messages', '--flush-interval-messages', [CompletionResultType]::ParameterName, 'After how many records the log is on the disk [default: at the end, and where segments end]')
            [CompletionResult]::new('--cleanup-policy', '--cleanup-policy', [CompletionResultType]::ParameterName, '''compact'': records without a key are refused [default: as the log dir knows]')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of the answer')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('--lines', '--lines', [CompletionResultType]::ParameterName, 'Each line of stdin is a value')
            [CompletionResult]::new('--keep-offsets', '--keep-offsets', [CompletionResultType]::ParameterName, 'Records keep the offsets that they come with')
            [CompletionResult]::new('--keep-timestamps', '--keep-timestamps', [CompletionResultType]::ParameterName, 'Records keep their timestamps')
            [CompletionResult]::new('--compare-compression', '--compare-compression', [CompletionResultType]::ParameterName, 'Write nothing: try every codec and level')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;serve' {
            [CompletionResult]::new('--listen', '--listen', [CompletionResultType]::ParameterName, 'Where to listen')
            [CompletionResult]::new('--advertise', '--advertise', [CompletionResultType]::ParameterName, 'Where clients are told to connect to')
            [CompletionResult]::new('--node-id', '--node-id', [CompletionResultType]::ParameterName, 'The broker id that clients see [default: the lowest of meta.properties]')
            [CompletionResult]::new('--num-network-threads', '--num-network-threads', [CompletionResultType]::ParameterName, 'Threads that read requests and send answers')
            [CompletionResult]::new('--num-io-threads', '--num-io-threads', [CompletionResultType]::ParameterName, 'Threads that find the bytes for them')
            [CompletionResult]::new('--queued-max-requests', '--queued-max-requests', [CompletionResultType]::ParameterName, 'Requests that wait for such a thread; further ones stay with their connections')
            [CompletionResult]::new('--fetch-max-bytes', '--fetch-max-bytes', [CompletionResultType]::ParameterName, 'The most bytes of one Fetch answer; one batch may be larger')
            [CompletionResult]::new('--socket-request-max-bytes', '--socket-request-max-bytes', [CompletionResultType]::ParameterName, 'The longest request')
            [CompletionResult]::new('--socket-send-buffer-bytes', '--socket-send-buffer-bytes', [CompletionResultType]::ParameterName, 'What the kernel holds of an answer for a client that is slow to take it')
            [CompletionResult]::new('--max-connections', '--max-connections', [CompletionResultType]::ParameterName, 'Connections at one time')
            [CompletionResult]::new('--max-connections-per-ip', '--max-connections-per-ip', [CompletionResultType]::ParameterName, 'Connections of one address at one time')
            [CompletionResult]::new('--connections-max-idle-ms', '--connections-max-idle-ms', [CompletionResultType]::ParameterName, 'A connection that asks nothing for so long is closed')
            [CompletionResult]::new('--check', '--check', [CompletionResultType]::ParameterName, 'What is checked first')
            [CompletionResult]::new('--offsets-out', '--offsets-out', [CompletionResultType]::ParameterName, 'At the end, write what groups committed here')
            [CompletionResult]::new('--group-initial-rebalance-delay-ms', '--group-initial-rebalance-delay-ms', [CompletionResultType]::ParameterName, 'How long the first member of a group waits for others')
            [CompletionResult]::new('--metrics', '--metrics', [CompletionResultType]::ParameterName, 'Answer GET /metrics for Prometheus here')
            [CompletionResult]::new('--log', '--log', [CompletionResultType]::ParameterName, 'Log to stderr')
            [CompletionResult]::new('--format', '--format', [CompletionResultType]::ParameterName, 'The form of what it says')
            [CompletionResult]::new('--color', '--color', [CompletionResultType]::ParameterName, 'When to use colour')
            [CompletionResult]::new('--threads', '--threads', [CompletionResultType]::ParameterName, 'How many threads to use; the output is the same for every number [default: all cores]')
            [CompletionResult]::new('--max-decompressed-bytes', '--max-decompressed-bytes', [CompletionResultType]::ParameterName, 'The most bytes that one batch may decompress to')
            [CompletionResult]::new('--max-batch-bytes', '--max-batch-bytes', [CompletionResultType]::ParameterName, 'The largest batch that is read into memory of a file that is not mapped')
            [CompletionResult]::new('--max-resync-bytes', '--max-resync-bytes', [CompletionResultType]::ParameterName, 'How far behind damage the next batch is looked for in a file that is not mapped')
            [CompletionResult]::new('--max-index-bytes', '--max-index-bytes', [CompletionResultType]::ParameterName, 'The most that is looked at of an index, and of any other file derived from a log')
            [CompletionResult]::new('--allow-remote', '--allow-remote', [CompletionResultType]::ParameterName, 'Let other machines in; nothing is authenticated')
            [CompletionResult]::new('--skip-damaged', '--skip-damaged', [CompletionResultType]::ParameterName, 'Step over damage as over gaps of compaction')
            [CompletionResult]::new('--forget-offsets', '--forget-offsets', [CompletionResultType]::ParameterName, 'Begin without committed offsets')
            [CompletionResult]::new('-q', '-q', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('--quiet', '--quiet', [CompletionResultType]::ParameterName, 'No progress bar')
            [CompletionResult]::new('-v', '-v', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('--verbose', '--verbose', [CompletionResultType]::ParameterName, 'Show notes too: legal, but worth knowing')
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
        'seg;completions' {
            [CompletionResult]::new('-h', '-h', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            [CompletionResult]::new('--help', '--help', [CompletionResultType]::ParameterName, 'Print help (see more with ''--help'')')
            break
        }
    })

    $completions.Where{ $_.CompletionText -like "$wordToComplete*" } |
        Sort-Object -Property ListItemText
}
