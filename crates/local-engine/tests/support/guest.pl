# The program that tests run as process 1 of a container: it takes a command line per connection on 127.0.0.1:8080, runs it with the
# connection as input and output, and goes on. It reaps what is left to it, and ends with 5 on TERM.
use strict;
use warnings;
use IO::Select;
use IO::Socket::INET;
use POSIX ":sys_wait_h";

$| = 1;
$SIG{CHLD} = sub { 1 while waitpid(-1, WNOHANG) > 0 };
$SIG{TERM} = sub { print "TERM\n"; exit 5 };
my $listener = IO::Socket::INET->new(LocalAddr => "127.0.0.1", LocalPort => 8080, Listen => 4096, ReuseAddr => 1)
    or die "cannot listen: $!";
print "listening\n";
my $ready = IO::Select->new($listener);
while (1) {
    # A signal that comes just before a wait is handled after it, so no wait is long.
    $ready->can_read(0.2) or next;
    my $client = $listener->accept or next;
    my $child = fork;
    if (!defined $child) { print $client "cannot fork: $!\n"; close $client; next; }
    if ($child) { close $client; next; }
    $SIG{CHLD} = "DEFAULT";
    my ($command, $byte) = ("", "");
    while (sysread($client, $byte, 1) && $byte ne "\n") { $command .= $byte; }
    close $listener;
    open(STDIN, "<&", $client);
    open(STDOUT, ">&", $client);
    open(STDERR, ">&", $client);
    close $client;
    exec "/bin/sh", "-c", $command;
}
