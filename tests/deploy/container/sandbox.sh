#!/bin/sh
# sandbox.sh ROOT READ WRITE -- COMMAND...: runs COMMAND as uid 65534 without capabilities. Its root contains only the
# folders READ (SOURCE=TARGET, separated by colons; read-only) and the folder WRITE.
# It must run as root of its user namespace, in a separate mount namespace.
set -eu
root=$1 read=$2 write=$3
shift 4
umask 022
mount -t tmpfs -o mode=755 tmpfs "$root"
bind() {
  mkdir -p "$root$2"
  mount --bind "$1" "$root$2"
  mount -o "remount,bind,nosuid,$3" "$root$2"
}
for link in /bin /lib /lib64 /sbin; do
  if [ -L "$link" ]; then ln -s "$(readlink "$link")" "$root$link"; elif [ -d "$link" ]; then bind "$link" "$link" ro,nodev; fi
done
IFS=:
for folder in $read; do bind "${folder%%=*}" "${folder##*=}" ro,nodev; done
unset IFS
bind "$write" "$write" rw,nodev
mkdir -p "$root/dev" "$root/proc"
for device in null urandom; do
  touch "$root/dev/$device"
  mount --bind "/dev/$device" "$root/dev/$device"
done
mount --rbind /proc "$root/proc"
mount -o remount,bind,ro "$root"
# Not chroot: the kernel forbids new user namespaces in it.
cd "$root"
pivot_root . .
umount -l .
cd /
umask 077
restrictions="--no-new-privs --bounding-set=-all --inh-caps=-all --ambient-caps=-all"
if [ "$(cat /proc/self/uid_map | tr -s ' ')" = " 0 0 4294967295" ]; then
  # Real root: change the user permanently.
  # shellcheck disable=SC2086
  exec setpriv --reuid=65534 --regid=65534 --clear-groups $restrictions "$@"
fi
# Root of a user namespace only: map its user to 65534 in a nested namespace.
# shellcheck disable=SC2086
exec unshare --user --map-user=65534 --map-group=65534 setpriv $restrictions "$@"
