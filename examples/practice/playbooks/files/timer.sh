#!/bin/sh
# The rollback timer on a router: timer.sh FOLDER SECONDS FRR_DIR FRR_RELOAD goes into the background, and after SECONDS brings back
# FOLDER/before.conf unless FOLDER/armed was taken away meanwhile. Who renames `armed` first, the timer or the confirmation, has decided.
folder=$1 seconds=$2 frr_dir=$3 frr_reload=$4
date -u -d "+$seconds seconds" +%H:%M:%S >"$folder/armed"
# Of its own session, with nothing of its caller's: it must outlive whoever armed it.
exec env -i PATH="$PATH" setsid --fork sh -c '
    sleep "$2"
    mv "$1/armed" "$1/firing" 2>/dev/null || exit 0
    "$4" --reload --confdir "$3" --rundir "$3" --vty_socket "$3" "$1/before.conf" >"$1/log" 2>&1
    date -u "+%H:%M:%S UTC" >"$1/firing" && mv "$1/firing" "$1/reverted"
' timer "$folder" "$seconds" "$frr_dir" "$frr_reload" </dev/null >/dev/null 2>&1
