#!/usr/bin/env bash
# What `devcluster run --node` needs from the system: installs what is missing where apt-get and root are, else says what
# to install. Does nothing where everything is there.
set -euo pipefail

# program, Debian package
needs=(
    "containerd containerd" "containerd-shim-runc-v2 containerd" "ctr containerd" "runc runc" "nft nftables"
    "ip iproute2" "unshare util-linux" "nsenter util-linux" "setsid util-linux" "tar tar" "cc gcc"
    # Its test's image is made of it.
    "busybox busybox-static"
)
packages=()
for need in "${needs[@]}"; do
    read -r program package <<<"$need"
    command -v "$program" >/dev/null || packages+=("$package")
done
plugins=
for folder in /usr/lib/cni /opt/cni/bin /usr/libexec/cni; do
    [[ -x $folder/ptp && -x $folder/host-local && -x $folder/loopback ]] && plugins=$folder
done
[[ -n $plugins ]] || packages+=(containernetworking-plugins)
# For the program `pause`, which is linked statically.
if command -v cc >/dev/null && ! echo 'int main(void) { return 0; }' | cc -static -x c -o /dev/null - 2>/dev/null; then
    packages+=(libc6-dev)
fi

if [[ ${#packages[@]} -eq 0 ]]; then
    exit 0
fi
mapfile -t packages < <(printf '%s\n' "${packages[@]}" | sort -u)
if [[ $(id -u) -ne 0 ]] || ! command -v apt-get >/dev/null; then
    echo "devcluster --node needs what these Debian packages have; install them, or their like: ${packages[*]}" >&2
    exit 1
fi
echo "installing ${packages[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "${packages[@]}" >&2
