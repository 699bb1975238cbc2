#!/usr/bin/env bash
# Records both sides of a translating box on the running kernel: tests/captures/nat/*.
#
#   record-nat.sh OUT     needs root, ip, nft, tcpdump, dumpcap and python3
#
# Three namespaces, no address but those for documentation, traffic of a few lines of Python.
set -euo pipefail
out=$1
mkdir -p "$out"
id=$$
c=nat$id-c b=nat$id-b s=nat$id-s
work=$(mktemp -d)
stop() {
  for pid in $(jobs -p); do kill "$pid" 2>/dev/null || true; done
  for ns in "$c" "$b" "$s"; do ip netns del "$ns" 2>/dev/null || true; done
  rm -rf "$work"
}
trap stop EXIT
in_c() { ip netns exec "$c" "$@"; }
in_b() { ip netns exec "$b" "$@"; }
in_s() { ip netns exec "$s" "$@"; }

for ns in "$c" "$b" "$s"; do
  ip netns add "$ns"
  ip -n "$ns" link set lo up
done
ip link add in0 netns "$b" type veth peer name eth0 netns "$c"
ip link add out0 netns "$b" type veth peer name eth0 netns "$s"
# No wait for duplicate addresses: traffic begins at once.
in_c sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
in_s sysctl -qw net.ipv6.conf.all.accept_dad=0 net.ipv6.conf.eth0.accept_dad=0
in_b sysctl -qw net.ipv6.conf.in0.accept_dad=0 net.ipv6.conf.out0.accept_dad=0
in_b sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
ip -n "$c" addr add 192.0.2.10/24 dev eth0
ip -n "$b" addr add 192.0.2.1/24 dev in0
ip -n "$b" addr add 198.51.100.1/24 dev out0
ip -n "$s" addr add 198.51.100.7/24 dev eth0
ip -n "$c" addr add 2001:db8:1::10/64 dev eth0 nodad
ip -n "$b" addr add 2001:db8:1::1/64 dev in0 nodad
ip -n "$b" addr add 2001:db8:2::1/64 dev out0 nodad
ip -n "$s" addr add 2001:db8:2::7/64 dev eth0 nodad
for ns in "$c" "$b" "$s"; do for dev in eth0 in0 out0; do ip -n "$ns" link set "$dev" up 2>/dev/null || true; done; done
ip -n "$c" route add default via 192.0.2.1
ip -n "$c" -6 route add default via 2001:db8:1::1
ip -n "$s" route add 203.0.113.0/24 via 198.51.100.1
# The server can send to the inside, so that what leaves untranslated is answered.
ip -n "$s" route add 192.0.2.0/24 via 198.51.100.1
ip -n "$s" -6 route add default via 2001:db8:2::1

cat > "$work/server.py" <<'PY'
import socket, sys, threading, time
def serve(conn):
    try:
        while True:
            word = conn.recv(65536)
            if not word: break
            if word.startswith(b"big"): conn.sendall(b"x" * 300000)
            elif word.startswith(b"later"): time.sleep(2.5); conn.sendall(b"late answer")
            elif word.startswith(b"quiet"): pass
            else: conn.sendall(b"re: " + word)
    except OSError: pass
    conn.close()
def listen(family, port):
    sock = socket.socket(family, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    if family == socket.AF_INET6: sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    sock.bind(("::" if family == socket.AF_INET6 else "0.0.0.0", port)); sock.listen(16)
    while True:
        conn, _ = sock.accept()
        threading.Thread(target=serve, args=(conn,), daemon=True).start()
for family in (socket.AF_INET, socket.AF_INET6):
    for port in (443, 8443):
        threading.Thread(target=listen, args=(family, port), daemon=True).start()
time.sleep(600)
PY
cat > "$work/client.py" <<'PY'
import os, socket, subprocess, sys, time
# client.py HOST PORT SOURCE-PORT WORD…   a word is sent and answered; !word sent only; +1.5 waits;
# @ makes the box forget every connection.
host, port, source = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, socket.SOCK_STREAM)
sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
sock.bind(("::" if ":" in host else "0.0.0.0", source))
sock.settimeout(4)
sock.connect((host, port))
for word in sys.argv[4:]:
    if word.startswith("+"): time.sleep(float(word[1:])); continue
    if word == "@": subprocess.run(["ip", "netns", "exec", os.environ["BOX"], "conntrack", "-F"], stderr=subprocess.DEVNULL); continue
    sock.sendall(word.lstrip("!").encode())
    if word.startswith("!"): continue
    try:
        if word == "big":
            left = 300000
            while left: left -= len(sock.recv(65536))
        elif not sock.recv(65536): break
    except OSError: break
sock.close()
PY
ip netns exec "$s" python3 "$work/server.py" &
server=$!
export BOX=$b
for _ in $(seq 100); do
  if [ "$(in_s ss -Hltn | wc -l)" = 4 ]; then break; fi
  sleep 0.1
done

rules() { in_b nft flush ruleset; [ -z "$1" ] || in_b nft -f - <<<"$1"; }
talk() { in_c timeout 20 python3 "$work/client.py" "$@" 2>/dev/null || true; }
# record NAME any|two COMMAND…
record() {
  local name=$1 how=$2 pid
  shift 2
  if [ "$how" = any ]; then
    ip netns exec "$b" tcpdump --immediate-mode -i any -y LINUX_SLL2 -U -s 96 -w "$out/$name.pcap" tcp or icmp 2>"$work/log" &
  else
    ip netns exec "$b" dumpcap -q -s 96 -i in0 -i out0 -f 'tcp or icmp' -w "$out/$name.pcapng" 2>"$work/log" &
  fi
  pid=$!
  for _ in $(seq 100); do
    if grep -qE 'listening on|^File:' "$work/log"; then break; fi
    sleep 0.1
  done
  "$@"
  sleep 0.8
  kill -TERM "$pid"
  wait "$pid" || true
}

snat='table ip nat { chain post { type nat hook postrouting priority 100; oifname "out0" snat to 203.0.113.1; }
}
table ip6 nat { chain post { type nat hook postrouting priority 100; oifname "out0" snat to 2001:db8:3::1; }
}'
dnat='table ip nat { chain pre { type nat hook prerouting priority -100; ip daddr 203.0.113.5 tcp dport 443 dnat to 198.51.100.7:8443; }
}
table ip6 nat { chain pre { type nat hook prerouting priority -100; ip6 daddr 2001:db8:3::5 tcp dport 443 dnat to [2001:db8:2::7]:8443; }
}'
both='table ip nat {
  chain pre { type nat hook prerouting priority -100; ip daddr 203.0.113.5 tcp dport 443 dnat to 198.51.100.7:8443; }
  chain post { type nat hook postrouting priority 100; oifname "out0" meta l4proto tcp snat to 203.0.113.1:20000-20999; }
}
table ip6 nat {
  chain pre { type nat hook prerouting priority -100; ip6 daddr 2001:db8:3::5 tcp dport 443 dnat to [2001:db8:2::7]:8443; }
  chain post { type nat hook postrouting priority 100; oifname "out0" meta l4proto tcp snat to [2001:db8:3::1]:20000-20999; }
}'
one_port='table ip nat { chain post { type nat hook postrouting priority 100; oifname "out0" ip protocol tcp snat to 203.0.113.1:20000; }
}'
ip -n "$b" addr add 203.0.113.1/32 dev lo
ip -n "$b" addr add 2001:db8:3::1/128 dev lo nodad

two_talks() { talk "$1" 443 40001 hello again; talk "$2" 443 40002 hello again; }
rules "$snat"; record snat any two_talks 198.51.100.7 2001:db8:2::7
rules "$snat"; record snat-two two two_talks 198.51.100.7 2001:db8:2::7
rules "$dnat"; record dnat any two_talks 203.0.113.5 2001:db8:3::5
rules "$both"; record both two two_talks 203.0.113.5 2001:db8:3::5
rules "$snat"; record big any talk 198.51.100.7 443 40003 big
# Refused and unanswered, through a translation.
lost() { talk 198.51.100.7 444 40004; in_s nft add table ip f; in_s nft add chain ip f i '{ type filter hook input priority 0; }'; in_s nft add rule ip f i tcp dport 443 drop; talk 198.51.100.7 443 40005; in_s nft flush ruleset; }
rules "$snat"; record lost any lost
# One port for everybody: the second connection takes it over when the first is gone.
reuse() { talk 198.51.100.7 443 40006 one; in_b conntrack -F 2>/dev/null; talk 198.51.100.7 443 40007 two; in_b conntrack -F 2>/dev/null; talk 198.51.100.7 443 40006 three; }
rules "$one_port"; record reuse any reuse
# The entry is lost; the server speaks first: the box itself answers it.
in_b sysctl -qw net.netfilter.nf_conntrack_tcp_loose=0
forget() { talk 198.51.100.7 443 40008 hello !later @ +3 !last +1; }
rules "$snat"; record box-reset any forget
# The entry is lost; the client speaks first: its packets leave untranslated, the server answers.
leftover() { talk 198.51.100.7 443 40009 hello @ +1.5 last; }
rules "$snat"; record untranslated any leftover
# Picked up in the middle, with another port.
in_b sysctl -qw net.netfilter.nf_conntrack_tcp_loose=1
moved='table ip nat { chain post { type nat hook postrouting priority 100; oifname "out0" ip protocol tcp snat to 203.0.113.1:30000-30999 random; }
}'
pickup() { talk 198.51.100.7 443 40010 hello @ +1.5 last; }
rules "$moved"; record picked-up any pickup
# A box that forbids: its reset reaches the client alone.
deny='table ip f { chain fw { type filter hook forward priority 0; tcp dport 443 ct state established meta length > 80 reject with tcp reset; }
}'
rules "$snat
$deny"; record rejected any talk 198.51.100.7 443 40011 'a word long enough to be rejected by the box in the middle'
kill "$server"
