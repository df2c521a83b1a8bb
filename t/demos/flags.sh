#!/bin/sh
# The flag downloaders against a server that serves well: what they print,
# what they save, and that all styles save the same.

. "$(dirname "$0")/flags_common.sh"

make_site
start_flagserver --delay 0.02

styles2='sequential threadpool promises executor'
styles3='callbacks promises tasks'

# ---- the first series ----

for style in sequential threadpool promises; do
    dir=$scratch/first.$style
    mkdir "$dir"
    cd "$dir"
    run "$flags/flags_$style" "$local_url"
    cd - >/dev/null
    ended_with 0
    printed_line '^20 flags downloaded in [0-9]*\.[0-9][0-9]s$'
    complained_of_nothing
    [ "$(head -n 1 "$scratch/out" | tr ' ' '\n' | grep . | sort | tr '\n' ' ')" = \
        'BD BR CD CN DE EG ET FR ID IN IR JP MX NG PH PK RU TR US VN ' ] ||
        fault_of_run 'not the twenty codes'
    cmp "$dir/downloaded/BR.gif" "$site/flags/br/br.gif" ||
        fault_of_run 'the flag of Brazil is another one'
    diff -r "$scratch/first.sequential" "$dir" || fault_of_run 'differs'

    for bad in 'one two' ftp://localhost/ 'http://a/ b'; do
        # shellcheck disable=SC2086 # one or two arguments
        run "$flags/flags_$style" $bad
        ended_with 2
        complained_in_one_line
        complained '^usage: '
    done
done

# ---- all flags, in each style ----

# The account of -a: the package has all flags but that of SS.
whole_account()
{
    ended_with 0
    complained_of_nothing
    [ "$(sed 's/[0-9]*\.[0-9][0-9]s$/Ts/' "$scratch/out")" = \
        "LOCAL site: $local_url
Searching for 194 flags: from AD to ZW
$1 will be used.
--------------------
193 flags downloaded.
1 not found.
Elapsed time: Ts" ] || fault_of_run 'not that account'
}

for style in $styles2; do
    case $style in
    sequential) connections='1 concurrent connection' ;;
    threadpool) connections='30 concurrent connections' ;;
    *) connections='5 concurrent connections' ;;
    esac
    run "$flags/flags2_$style" -a -b "$local_url" -d "$scratch/2.$style"
    whole_account "$connections"
    adds_up 194 "$scratch/2.$style"
    diff -r "$scratch/2.sequential" "$scratch/2.$style" ||
        fault_of_run 'differs from the sequential program'
done
cmp "$scratch/2.promises/TV.gif" "$site/flags/tv/tv.gif" ||
    fault 'the flag of TV is another one'

for style in $styles3; do
    run "$flags/flags3_$style" --all --base-url "$local_url/" \
        --dest "$scratch/3.$style" --max_req 50
    whole_account '50 concurrent connections'
    adds_up 194 "$scratch/3.$style"
done
for style in promises tasks; do
    diff -r "$scratch/3.callbacks" "$scratch/3.$style" ||
        fault "$style save something else than callbacks"
done
for file in "$scratch"/3.promises/*; do
    base=${file##*/}
    cc=${base##*-}
    cc=$(echo "${cc%.gif}" | tr A-Z a-z)
    cmp -s "$file" "$site/flags/$cc/$cc.gif" || fault "$base is another flag"
    case $base in
    *' '*) fault "a blank in $base" ;;
    esac
done

# At most twice as many downloads as requests are begun and not ended. Two
# requests at once, each of 20 ms, need two seconds for all images; the first
# flags are there long before that.
for style in $styles3; do
    run timeout --foreground --preserve-status -s INT 1 "$flags/flags3_$style" -a -m 2 \
        -s DELAY -b "$delay_url" -d "$scratch/bound.$style"
    ended_with 130
    adds_up 194 "$scratch/bound.$style"
    [ "$ok" -ge 1 ] || fault_of_run 'all images come before the first flag'
done

# ---- the README's table is counted, not claimed ----

"$top_srcdir/demos/flags/count_styles" >"$scratch/rows"
while read -r row; do
    grep -qxF "$row" "$top_srcdir/demos/flags/README.md" ||
        fault "README.md does not say: $row"
done <"$scratch/rows"

# ---- the callbacks are callbacks ----

! grep -nE 'vetch_(then|catch|handle|finally|all|any|race|map|timeout|repeat|wait|spawn|await|run) *\(|run_loop' \
    "$top_srcdir/demos/flags/flags3_callbacks.c" ||
    fault 'flags3_callbacks.c uses more than vetch_callback'

# ---- the command line, in each program ----

for program in flags2_sequential flags2_threadpool flags2_promises \
    flags2_executor flags3_callbacks flags3_promises flags3_tasks; do
    # Codes in any order and case; up to ten are listed.
    run "$flags/$program" -v -b "$local_url" -d "$scratch/few" us br US Fr
    ended_with 0
    printed_line '^Searching for 3 flags: BR, FR, US$'
    printed_line '^BR OK$'
    printed_line '^3 flags downloaded\.$'
    printed_no_line 'not found'
    printed_no_line 'error'
    run "$flags/$program" -v -b "$local_url" -d "$scratch/few" ss
    ended_with 0
    printed_line '^Searching for 1 flag: SS$'
    printed_line '^1 concurrent connection will be used\.$'
    printed_line '^SS not found$'
    printed_line '^0 flags downloaded\.$'
    printed_line '^1 not found\.$'
    run "$flags/$program" -s delay -m 2 -b "$delay_url" -d "$scratch/few" DE
    ended_with 0
    printed_line "^DELAY site: $delay_url\$"
    printed_line '^1 flag downloaded\.$'
    run "$flags/$program" -l 12 -b "$local_url" -d "$scratch/few" B A
    printed_line '^Searching for 12 flags: from AA to AL$'
    run "$flags/$program" -e -l 30 -b "$local_url" -d "$scratch/few"
    printed_line '^Searching for 30 flags: from AA to BD$'
    run "$flags/$program" -b "$local_url" -d "$scratch/few"
    printed_line '^Searching for 20 flags: from BD to VN$'
    run "$flags/$program" -h
    ended_with 0
    printed_line '^usage: '

    for bad in '-m 0' '-m 1001' '-m x' '-l 0' '-l -1' '-l' '-s NOWHERE' \
        '-t 0' '-t soon' '-b ftp://x' '-b http://' '-b http://[::1' \
        '-b http://[::1]x' '-b http://a:' '-b http://a:65536' \
        '-b http://a:123456' '-b http://me@a' '-b http://a/?b' \
        '-b http://é' '-b http:///flags' '-x' 'ABC' 'A1' 'é' '--every=x'; do
        # shellcheck disable=SC2086 # an option and its argument
        run "$flags/$program" $bad
        ended_with 2
        complained_in_one_line
        complained '^usage: '
        [ ! -s "$scratch/out" ] || fault_of_run 'printed something'
    done
    # What would end a line of a request never gets into one.
    run "$flags/$program" -b "$(printf 'http://a/b HTTP/1.1\r\nX: y')" BR
    ended_with 2
    run "$flags/$program" ''
    ended_with 2
    complained_in_one_line

    # A destination that is missing is made, with those above it.
    run "$flags/$program" -b "$local_url" -d "$scratch/new.$program/a//b/" BR
    ended_with 0
    [ "$(find "$scratch/new.$program/a/b" -type f | wc -l)" -eq 1 ] ||
        fault_of_run 'did not save in a new directory'

    # A destination that cannot be made.
    run "$flags/$program" -b "$local_url" -d "$scratch/few/BR.gif/a/b" BR
    ended_with 1
    complained_in_one_line
    complained 'BR.gif'
    run "$flags/$program" -b "$local_url" -d "$scratch/few/BR.gif" BR
    ended_with 1
    complained_in_one_line
    complained 'BR.gif'
done

stop_flagserver
for name in LOCAL DELAY ERROR; do
    grep -q "^$name stopped: [0-9]* requests ended, 0 cancelled, " \
        "$scratch/server.out" || fault "$name did not say how it stopped"
done

# ---- nobody there ----

for program in flags2_sequential flags2_threadpool flags2_promises \
    flags2_executor flags3_callbacks flags3_promises flags3_tasks; do
    run "$flags/$program" -v -b "$local_url" -d "$scratch/dead" A
    ended_with 1
    adds_up 26 "$scratch/dead"
    [ "$errors" -eq 26 ] || fault_of_run 'not 26 errors'
    printed_line '^\*\*\* Error for AD: .*[Cc]onnection refused'
done

# ---- the server's own command line ----

for bad in '' '--site' '--site x --make-site y' '--port 1' '--bogus' \
    "--site $site --delay x" "--site $site --error-rate 2" "--site $site x" \
    "--site $site --port 1.5" "--site $site --error-port 65536" \
    "--site $site --seed -1"; do
    # shellcheck disable=SC2086 # options and their arguments
    run "$flags/flagserver" $bad
    ended_with 2
    complained_in_one_line
    complained '^usage: '
done

# What is in the way is named.
mkdir -p "$scratch/empty" "$scratch/way1" "$scratch/way2/flags"
: >"$scratch/way1/flags"
: >"$scratch/way2/flags/ad"
run "$flags/flagserver" --site "$scratch/nowhere"
ended_with 1
complained_in_one_line
complained '/nowhere: '
run "$flags/flagserver" --site "$scratch/empty"
ended_with 1
complained '/empty/flags: '
run "$flags/flagserver" --make-site "$scratch/way1/flags"
ended_with 1
# Without the packages it gets no further than that.
if ! grep -q '(package ' "$scratch/err"; then
    complained '/way1/flags: '
    run "$flags/flagserver" --make-site "$scratch/way1"
    ended_with 1
    complained '/way1/flags: '
    run "$flags/flagserver" --make-site "$scratch/way2"
    ended_with 1
    complained_in_one_line
    complained '/way2/flags/ad: '
    # Once more into the same place is no matter.
    run "$flags/flagserver" --make-site "$site"
    ended_with 0
    printed_line "^[0-9]* flags written to $site/flags\$"
fi
finish
