# The first process of a node, in namespaces of its own (mounts, network, processes): nothing that it mounts or sets is
# seen outside, but for cgroups. $1: the node's folder. $2: the name of its cgroup. $3: what to become.
set -eu
folder=$1 cgroup=$2 pause=$3
fail() { echo "$*" >&2; exit 1; }

mount -t proc proc /proc
# By which the watchdog knows when the last process in here is gone.
readlink /proc/self/ns/pid >"$folder/namespace"
# What kubelet, containerd and CNI plugins write to places that can't be chosen.
for place in /run /var/lib /var/log; do mount -t tmpfs -o mode=755 devcluster "$place"; done
# Volumes whose mounts pods are to see are shared with them, and with nobody outside.
mount --make-rshared /

# kubelet sets these for the whole machine, unless they are so already: it gets files that are.
while read -r name value; do
    [ -e "/proc/sys/$name" ] || continue
    mkdir -p "$folder/sysctl/${name%/*}"
    echo "$value" >"$folder/sysctl/$name"
    mount --bind "$folder/sysctl/$name" "/proc/sys/$name"
done <<END
vm/overcommit_memory 1
vm/panic_on_oom 0
kernel/panic 10
kernel/panic_on_oops 1
kernel/keys/root_maxkeys 1000000
kernel/keys/root_maxbytes 25000000
END
# The network namespace's own.
echo 1 >/proc/sys/net/ipv4/ip_forward

# A parent for the cgroups of all pods, in each hierarchy.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
    for controller in cpu memory pids cpuset; do
        echo "+$controller" >/sys/fs/cgroup/cgroup.subtree_control || echo "cgroup controller $controller can't be delegated" >&2
    done
    mkdir "/sys/fs/cgroup/$cgroup" || fail "no cgroup can be made in /sys/fs/cgroup: is it mounted read-only?"
else
    for hierarchy in /sys/fs/cgroup/*; do
        [ -L "$hierarchy" ] || [ ! -e "$hierarchy/cgroup.procs" ] || mkdir "$hierarchy/$cgroup" \
            || fail "no cgroup can be made in $hierarchy: is it mounted read-only?"
    done
    # A new folder of this hierarchy has no CPUs, and takes no process without.
    for file in cpuset.cpus cpuset.mems; do
        [ ! -e "/sys/fs/cgroup/cpuset/$cgroup/$file" ] || cat "/sys/fs/cgroup/cpuset/$file" >"/sys/fs/cgroup/cpuset/$cgroup/$file"
    done
fi

# Overlays are not to be had on every file system, an overlay's among them; copies are.
mkdir "$folder/lower" "$folder/upper" "$folder/work" "$folder/merged"
if mount -t overlay -o "lowerdir=$folder/lower,upperdir=$folder/upper,workdir=$folder/work" overlay "$folder/merged" 2>/dev/null; then
    umount "$folder/merged"
    echo overlayfs >"$folder/snapshotter.new"
else
    echo native >"$folder/snapshotter.new"
fi
# Last: it is what is waited for.
mv "$folder/snapshotter.new" "$folder/snapshotter"
# The watchdog ends it before those who started it.
unset DEVCLUSTER_COMPONENT
DEVCLUSTER_NODE=${folder%/node}
export DEVCLUSTER_NODE
exec "$pause"
