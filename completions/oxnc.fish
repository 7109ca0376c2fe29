complete -c oxnc -s s -l source -d 'Connect from this local address' -r -f -a "(__fish_print_hostnames)"
complete -c oxnc -s p -l source-port -d 'Connect from this local port' -r -f
complete -c oxnc -s x -l proxy -d 'Connect through a proxy' -r -f -a "(__fish_print_hostnames)"
complete -c oxnc -s X -l proxy-type -d 'What it speaks: 4, 4a, 5 or connect [default: 5]' -r -f -a "4\t'SOCKS4'
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
complete -c oxnc -l print-port -d 'Tell the port once the sockets listen' -r -F
complete -c oxnc -l unix-mode -d 'Permissions of the Unix socket\'s file [default: 600]' -r -f
complete -c oxnc -s q -l quit-after -d 'After stdin\'s end, quit after DUR of silence' -r -f
complete -c oxnc -l on-peer-eof -d 'At the peer\'s end: quit, or send the rest' -r -f -a "exit\t'End the run'
drain\t'Send the rest of stdin'"
complete -c oxnc -l linger -d 'Wait at most DUR for ACKs [default: 10s]' -r -f
complete -c oxnc -s w -l timeout -d 'Limit connecting and idling (0: no limit)' -r -f
complete -c oxnc -l connect-timeout -d 'Limit lookup and connecting [default: 30s]' -r -f
complete -c oxnc -l accept-timeout -d 'Limit the wait for a client' -r -f
complete -c oxnc -l idle-timeout -d 'Limit the time in which nothing moves' -r -f
complete -c oxnc -l max-time -d 'Limit the whole run' -r -f
complete -c oxnc -s l -l listen -d 'Wait for one client instead of connecting'
complete -c oxnc -s 4 -l ipv4 -d 'Use IPv4 only'
complete -c oxnc -s 6 -l ipv6 -d 'Use IPv6 only'
complete -c oxnc -s U -l unix -d 'Connect to, or listen on, a Unix socket'
complete -c oxnc -s n -l numeric -d 'Look nothing up: numeric addresses and ports only'
complete -c oxnc -s d -l no-stdin -d 'Read nothing from stdin'
complete -c oxnc -s N -l shutdown -d 'Send FIN when stdin ends or is /dev/null'
complete -c oxnc -l no-shutdown -d 'Send no FIN before the run is done'
complete -c oxnc -l send-only -d 'Send stdin, discard what comes (implies -N)'
complete -c oxnc -l recv-only -d 'Receive only; the same as -d'
complete -c oxnc -s v -l verbose -d 'Tell on stderr what happens; -vv and -vvv tell more'
complete -c oxnc -s h -l help -d 'Print help; --help says more than -h'
complete -c oxnc -l version -d 'Print the version'
