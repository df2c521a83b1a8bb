# Sourced by the tests of the flag downloaders, t/demos/flags*.sh: a site, the
# servers, and the account.

# shellcheck shell=sh
. "$(dirname "$0")/common.sh"

flags=$top_builddir/demos/flags
server_pid=

stop_everything()
{
    [ -z "$server_pid" ] || kill -KILL "$server_pid" 2>/dev/null || :
    rm -rf "$scratch"
}
trap stop_everything EXIT

# Makes $site: of the Debian packages, else of what the tests need.
make_site()
{
    site=$scratch/site
    "$flags/flagserver" --make-site "$site" >/dev/null 2>&1 && return
    for cc in $(tr 'A-Z\n' 'a-z ' <"$top_srcdir/demos/flags/country_codes.txt"); do
        [ "$cc" != ss ] || continue
        mkdir -p "$site/flags/$cc"
        upper=$(echo "$cc" | tr a-z A-Z)
        printf 'GIF89a flag of %s' "$upper" >"$site/flags/$cc/$cc.gif"
        printf '{"country": "Land of %s", "iso_cc": "%s"}\n' "$upper" \
            "$upper" >"$site/flags/$cc/metadata.json"
    done
}

# Starts flagserver with the given options: sets $local_url, $delay_url,
# $error_url and $server_pid.
start_flagserver()
{
    [ -e "$scratch/fifo" ] || mkfifo "$scratch/fifo"
    "$flags/flagserver" --site "$site" --port 0 --delay-port 0 \
        --error-port 0 "$@" >"$scratch/fifo" 2>"$scratch/server.err" &
    server_pid=$!
    exec 3<"$scratch/fifo"
    local_url=$(next_url LOCAL)
    delay_url=$(next_url DELAY)
    error_url=$(next_url ERROR)
    [ "$local_url" ] && [ "$delay_url" ] && [ "$error_url" ] || {
        sed 's/^/    server: /' "$scratch/server.err"
        fault 'the server does not say where it is'
        finish
    }
}

# The URL of the server's next line, which has to begin with $1.
next_url()
{
    read -r label url <&3 && [ "$label" = "$1" ] && echo "$url" || :
}

# Starts the hostile server: sets $hostile_url and $server_pid.
# shellcheck disable=SC2034 # for those who source this
start_hostile_server()
{
    [ -e "$scratch/fifo" ] || mkfifo "$scratch/fifo"
    "$top_builddir/t/demos/hostile_server" >"$scratch/fifo" &
    server_pid=$!
    exec 3<"$scratch/fifo"
    read -r hostile_url <&3
}

# Stops flagserver as an administrator does; it has to end well.
stop_flagserver()
{
    kill -TERM "$server_pid"
    status=0
    wait "$server_pid" || status=$?
    server_pid=
    [ $status -eq 0 ] || {
        fault "flagserver ended with status $status"
        sed 's/^/    server: /' "$scratch/server.err"
    }
    cat <&3 >"$scratch/server.out"
    exec 3<&-
}

kill_server()
{
    kill -KILL "$server_pid" 2>/dev/null || :
    wait "$server_pid" 2>/dev/null || :
    server_pid=
    exec 3<&-
}

# A number from the account that was printed, 0 where there is no such line.
counted()
{
    sed -n "s/^\([0-9]*\) $1\$/\1/p" "$scratch/out" | grep . || echo 0
}

# Reads the account into $ok, $not_found, $errors and $cancelled; they have to
# add up to $1, the directory $2 has to hold what is ok, and nothing torn.
adds_up()
{
    ok=$(counted 'flags\{0,1\} downloaded\.')
    not_found=$(counted 'not found\.')
    errors=$(counted 'errors\{0,1\}\.')
    cancelled=$(counted 'cancelled\.')
    [ $((ok + not_found + errors + cancelled)) -eq "$1" ] ||
        fault_of_run "$ok + $not_found + $errors + $cancelled is not $1"
    files=$(find "$2" -type f | wc -l)
    [ "$files" -eq "$ok" ] || fault_of_run "$files files, $ok counted"
    [ -z "$(find "$2" -name '.*' -type f)" ] ||
        fault_of_run 'left a temporary file'
}
