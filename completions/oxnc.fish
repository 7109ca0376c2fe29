complete -c oxnc -s s -l source -d 'Connect from this local address' -r -f -a "(__fish_print_hostnames)"
complete -c oxnc -s p -l source-port -d 'Connect from this local port' -r -f
complete -c oxnc -l retry -d 'Try again until there is a connection' -r -f
complete -c oxnc -l retry-delay -d 'With --retry: pause for so long' -r -f
complete -c oxnc -s x -l proxy -d 'Connect through a proxy' -r -f -a "(__fish_print_hostnames)"
complete -c oxnc -s X -l proxy-type -d '"4", "4a", "5" (SOCKS) or "connect" [default: 5]' -r -f -a "4\t'SOCKS4'
4a\t'SOCKS4a'
5\t'SOCKS5'
connect\t'HTTP CONNECT'"
complete -c oxnc -s P -l proxy-user -d 'Name USER to the proxy, and ask for a password' -r -f -a "(__fish_complete_users)"
complete -c oxnc -l proxy-auth-file -d 'Read USER:PASSWORD from a file' -r -F
complete -c oxnc -l proxy-auth-env -d 'Read USER:PASSWORD from a variable' -r -f
complete -c oxnc -l proxy-dns -d 'Who looks HOST up: remote, local, both, none' -r -f -a "remote\t'The proxy'
local\t'This machine'
both\t'This machine, or else the proxy'
none\t'Nobody'"
complete -c oxnc -l max-conns -d 'With -k: serve at most N clients at once' -r -f
complete -c oxnc -l accept -d 'With -k: end after N clients' -r -f
complete -c oxnc -l print-port -d 'Tell the port once the sockets listen' -r -F
complete -c oxnc -l unix-mode -d 'Permissions of the Unix socket\'s file [default: 600]' -r -f
complete -c oxnc -l parallel -d 'With -z: test at most N ports at the same time' -r -f
complete -c oxnc -l banner -d 'With -z: wait for what the services say first' -r -f
complete -c oxnc -l count -d 'With -z: test one port N times, and measure' -r -f
complete -c oxnc -l wait-for -d 'Wait at most DUR until ports are open (0: no limit)' -r -f
complete -c oxnc -s W -l recv-limit -d 'Quit after N datagrams have come' -r -f
complete -c oxnc -l datagram-size -d 'Put at most N bytes into a datagram' -r -f
complete -c oxnc -l join -d 'Receive what is sent to a multicast group' -r -f
complete -c oxnc -s i -l interval -d 'Pause DUR after each line that is sent' -r -f
complete -c oxnc -s q -l quit-after -d 'After stdin\'s end, quit after DUR of silence' -r -f
complete -c oxnc -l on-peer-eof -d 'At the peer\'s end: quit, or send the rest' -r -f -a "exit\t'End the run'
drain\t'Send the rest of stdin'"
complete -c oxnc -l linger -d 'Wait at most DUR for ACKs [default: 10s]' -r -f
complete -c oxnc -s w -l timeout -d 'Limit connecting and idling (0: no limit)' -r -f
complete -c oxnc -l connect-timeout -d 'Limit lookup and connecting [default: 30s]' -r -f
complete -c oxnc -l accept-timeout -d 'Limit the wait for a client' -r -f
complete -c oxnc -l idle-timeout -d 'Limit the time in which nothing moves' -r -f
complete -c oxnc -l max-time -d 'Limit the whole run' -r -f
complete -c oxnc -s I -l recv-buffer -d 'Size of the receive buffer (SO_RCVBUF)' -r -f
complete -c oxnc -s O -l send-buffer -d 'Size of the send buffer (SO_SNDBUF)' -r -f
complete -c oxnc -s T -l tos -d 'Type of service, or traffic class, of what is sent' -r -f
complete -c oxnc -s M -l ttl -d 'How many hops packets may go, 0-255' -r -f
complete -c oxnc -s m -l min-ttl -d 'Drop packets with fewer hops left, 0-255' -r -f
complete -c oxnc -l keepalive -d 'Have the kernel ask a silent peer if it is there' -r -f
complete -c oxnc -l user-timeout -d 'How long data may be unacknowledged' -r -f
complete -c oxnc -l congestion -d 'Use this congestion control' -r -f
complete -c oxnc -l device -d 'Use this network interface only' -r -f
complete -c oxnc -l md5sig-key-file -d 'Read the key of -S from this file' -r -F
complete -c oxnc -l md5sig-key-env -d 'Read the key of -S from this environment variable' -r -f
complete -c oxnc -l sockopt -d 'Set any option of setsockopt(2)' -r -f
complete -c oxnc -s V -l rtable -d 'Refused: Linux has no such routing tables' -r -f
complete -c oxnc -l compat -d 'Take the defaults, the wording and the exit status of another netcat' -r -f -a "nc\t''"
complete -c oxnc -s F -l pass-fd -d 'Connect, and pass the socket over stdout (SCM_RIGHTS)'
complete -c oxnc -s l -l listen -d 'Wait for one client instead of connecting'
complete -c oxnc -s k -l keep-open -d 'Serve many clients at once, until stopped'
complete -c oxnc -l tag -d 'With -k: put the client before each line'
complete -c oxnc -s z -l scan -d 'Test whether ports are open, and send nothing'
complete -c oxnc -s r -l random -d 'With -z: test the ports in random order'
complete -c oxnc -l all -d 'With -z: exit status 0 only if all ports are open'
complete -c oxnc -l json -d 'With -z: write each result as a JSON object'
complete -c oxnc -l any -d 'With --wait-for: one open port is enough'
complete -c oxnc -l invert -d 'With --wait-for: wait until the ports are not open'
complete -c oxnc -s u -l udp -d 'Use UDP instead of TCP'
complete -c oxnc -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c oxnc -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c oxnc -s U -l unix -d 'Connect to, or listen on, a Unix socket'
complete -c oxnc -s n -l numeric -d 'Look nothing up: numeric addresses and ports only'
complete -c oxnc -s C -l crlf -d 'Send CRLF at the end of each line'
complete -c oxnc -s t -l telnet -d 'Refuse what a telnet server asks for'
complete -c oxnc -s d -l no-stdin -d 'Read nothing from stdin'
complete -c oxnc -s N -l shutdown -d 'Send FIN when stdin ends or is /dev/null'
complete -c oxnc -l no-shutdown -d 'Send no FIN before the run is done'
complete -c oxnc -l send-only -d 'Send stdin, discard what comes (implies -N)'
complete -c oxnc -l recv-only -d 'Receive only; the same as -d'
complete -c oxnc -s D -l socket-debug -d 'Have the kernel debug the socket (SO_DEBUG)'
complete -c oxnc -s b -l broadcast -d 'Allow broadcast addresses (SO_BROADCAST)'
complete -c oxnc -l nodelay -d 'Send small pieces at once (TCP_NODELAY)'
complete -c oxnc -l mptcp -d 'Use Multipath TCP (RFC 8684)'
complete -c oxnc -s S -l md5sig -d 'Sign and check every segment (RFC 2385)'
complete -c oxnc -s Z -l dccp -d 'Refused: Linux has no DCCP any more'
complete -c oxnc -s v -l verbose -d 'Tell on stderr what happens; -vv and -vvv tell more'
complete -c oxnc -s h -l help -d 'Print help; --help has more options than -h'
complete -c oxnc -l version -d 'Print the version'
