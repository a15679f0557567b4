# Cleans up after a sandbox, however its owner ends. $1: the folder of the sandbox. stdin: a pipe whose write end only
# the owner holds, so that it ends with the owner, also when that is killed.
trap '' HUP INT TERM
cd / || exit 1
dir=$1
while read -r _; do :; done

# Processes are told by their environment, never by a remembered number, which another process may have got since.
if printf 'a\0b\0' | grep -qzxF b; then
    named() { grep -lszxF -- "$1=$dir" /proc/[0-9]*/environ; }
else
    # A grep without -z (busybox) sees only the first variable.
    named() {
        for file in /proc/[0-9]*/environ; do
            tr '\0' '\n' <"$file" | grep -qxF -- "$1=$dir" && echo "$file"
        done
    }
fi
marked() {
    named "$1" | while IFS=/ read -r _ _ pid _; do echo "$pid"; done
}

# end MARK SIGNAL PATIENCE: SIGNAL to all marked processes, SIGKILL to those that are there after PATIENCE × 0.05 s.
end() {
    turn=0
    while pids=$(marked "$1") && [ -n "$pids" ] && [ "$turn" -lt 400 ]; do
        # shellcheck disable=SC2086
        if [ "$turn" -ge "$3" ]; then kill -KILL $pids; elif [ "$turn" -eq 0 ]; then kill -"$2" $pids; fi
        turn=$((turn + 1))
        sleep 0.05
    done
}
# Waits until the node's namespaces have no process any more.
node_is_gone() {
    turn=0
    if [ -f "$dir/node/namespace" ] && read -r namespace <"$dir/node/namespace"; then
        while readlink /proc/[0-9]*/ns/pid 2>/dev/null | grep -qxF -- "$namespace" && [ "$turn" -lt 400 ]; do
            turn=$((turn + 1))
            sleep 0.05
        done
    fi
}
# What was started inside may say goodbye while the API server still answers; the data of the components goes anyway.
end DEVCLUSTER_DIR TERM 100
# The first process of a node takes all others along, those of pods included. Its parent must see that before it ends
# itself, or a zombie is left to the machine's init, which may take its time.
if [ -n "$(marked DEVCLUSTER_NODE)" ]; then
    end DEVCLUSTER_NODE KILL 0
    node_is_gone
fi
end DEVCLUSTER_COMPONENT KILL 0
node_is_gone

# Only ever a folder that a sandbox made.
case $dir in /*/devcluster-??????) ;; *) exit 1 ;; esac
if [ -L "$dir" ] || [ ! -f "$dir/.devcluster" ]; then exit 1; fi

# What a node leaves outside of its namespaces. The outer end of its cable, which goes with the namespaces too, but at
# the kernel's leisure; told by its number, because the name may be another cluster's by now.
if [ -f "$dir/node/link" ] && read -r link index <"$dir/node/link" \
    && [ "$(cat "/sys/class/net/$link/ifindex" 2>/dev/null)" = "$index" ]; then
    ip link delete "$link"
fi
# And its pods' cgroups, which can be removed once the processes in there are gone.
turn=0
while [ "$turn" -lt 400 ]; do
    left=
    for cgroup in "/sys/fs/cgroup/${dir##*/}" "/sys/fs/cgroup/"*"/${dir##*/}"; do
        if [ -d "$cgroup" ]; then
            find "$cgroup" -depth -type d -exec rmdir {} \; 2>/dev/null
            [ ! -d "$cgroup" ] || left=1
        fi
    done
    [ -n "$left" ] || break
    turn=$((turn + 1))
    sleep 0.05
done
if [ -f "$dir/.outside" ]; then
    while IFS= read -r file; do rm -f -- "$file"; done <"$dir/.outside"
fi
rm -rf -- "$dir"
