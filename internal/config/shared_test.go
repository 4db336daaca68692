package config

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"strings"
	"testing"

	"fourseven/internal/testkit"
)

var sharedBase = []string{"LB_SERVICES=a,b,c", "LB_BACKENDS=x:1", "LB_A_L4_LISTEN=:443", "LB_B_L4_LISTEN=:443", "LB_C_L7_LISTEN=:80"}

// Pins which services share a listener, and in what order.
func TestServiceListeners(t *testing.T) {
	c := mustLoad(t, append(sharedBase, "LB_A_SNI=A.example.com.,*.B.example.com", "LB_A_L7_LISTEN=:80", "LB_A_HOSTS=[::0001],10.0.0.1,x", "LB_A_PATHS=/a,/b/")...)
	var got []string
	for _, l := range c.ServiceListeners() {
		var names []string
		for _, s := range l.Services {
			names = append(names, s.Name)
		}
		got = append(got, fmt.Sprint(l.Frontend, " ", l.Variable, " ", l.Addr, " ", names, " ", l.ByName()))
	}
	want := "l4 LB_A_L4_LISTEN :443 [a b] true\nl7 LB_A_L7_LISTEN :80 [a c] true"
	if text := strings.Join(got, "\n"); text != want {
		t.Errorf("got\n%s\nwant\n%s", text, want)
	}
	a := c.Services[0]
	if sni, hosts := a.SNI.String(), a.Hosts.String(); sni != "a.example.com,*.b.example.com" || hosts != "[::1],10.0.0.1,x" {
		t.Errorf("names %s and %s", sni, hosts)
	}
	if unused := c.Unused(); len(unused) > 0 {
		t.Errorf("no effect: %v", unused)
	}
}

// Pins that free ports are never shared, and that names need no second service.
func TestServiceListenersOnFreePorts(t *testing.T) {
	c := mustLoad(t, "LB_SERVICES=a,b", "LB_BACKENDS=x:1", "LB_A_L4_LISTEN=127.0.0.1:0", "LB_B_L4_LISTEN=127.0.0.1:0", "LB_B_SNI=b")
	if all := c.ServiceListeners(); len(all) != 2 || all[0].ByName() || !all[1].ByName() {
		t.Errorf("got %+v", all)
	}
	c = mustLoad(t, "LB_BACKENDS=x:1", "LB_SNI=b", "LB_PATHS=/api")
	if all := c.ServiceListeners(); len(all) != 2 || !all[0].ByName() || !all[1].ByName() {
		t.Errorf("without services: %+v", all)
	}
}

func TestSharedFaults(t *testing.T) {
	for _, tt := range []struct {
		name    string
		environ string // after sharedBase
		want    []string
	}{
		{"no name", "", []string{
			`LB_B_L4_LISTEN=":443": LB_A_L4_LISTEN has that address too, expected another one, or LB_A_SNI or LB_B_SNI to share it by name`}},
		{"no host", "LB_A_L7_LISTEN=:80 LB_A_SNI=a", []string{
			`LB_C_L7_LISTEN=":80": LB_A_L7_LISTEN has that address too, expected another one, or LB_A_HOSTS, LB_C_HOSTS, LB_A_PATHS or LB_C_PATHS to share it by name`}},
		{"a name twice", "LB_A_SNI=x.example.com LB_B_SNI=X.Example.com", []string{
			`LB_B_SNI: entry "x.example.com": LB_A_SNI has it too, expected each name in one service`}},
		{"a path twice", "LB_A_SNI=a LB_A_L7_LISTEN=:80 LB_A_PATHS=/x,/y LB_C_PATHS=/y", []string{
			`LB_C_PATHS: entry "/y": LB_A_PATHS has it too, expected each path in one service`}},
		{"a host and path twice", "LB_A_SNI=a LB_A_L7_LISTEN=:80 LB_A_HOSTS=h LB_C_HOSTS=g,h LB_C_PATHS=/", []string{
			`LB_C_HOSTS: entry "h": LB_A_HOSTS has it too, for the path "/", expected each host and path in one service`}},
		{"what acts before routing", "LB_A_SNI=a LB_B_ALLOW=10.0.0.0/8 LB_L4_HELLO_TIMEOUT=1s LB_B_L4_HELLO_TIMEOUT=2s LB_A_MAX_CONNS_PER_IP=1", []string{
			`LB_B_L4_HELLO_TIMEOUT="2s": LB_L4_HELLO_TIMEOUT="1s", and both services share the listener :443, where it acts before one is chosen; expected the same in both`,
			`LB_B_MAX_CONNS_PER_IP="0": LB_A_MAX_CONNS_PER_IP="1", and both services share the listener :443, where it acts before one is chosen; expected the same in both`,
			`LB_B_ALLOW="10.0.0.0/8": LB_A_ALLOW="", and both services share the listener :443, where it acts before one is chosen; expected the same in both`}},
		{"limits of heads", "LB_A_SNI=a LB_A_L7_LISTEN=:80 LB_A_HOSTS=h LB_C_L7_MAX_HEADER=1KiB", []string{
			`LB_C_L7_MAX_HEADER="1KiB": LB_A_L7_MAX_HEADER="64KiB", and both services share the listener :80, where it acts before one is chosen; expected the same in both`}},
		{"other frontends", "LB_A_SNI=a LB_C_L7_LISTEN=:443 LB_C_HOSTS=h", []string{
			`LB_C_L7_LISTEN=":443": LB_A_L4_LISTEN=":443" has that address, expected another one`}},
		{"the same port in another spelling", "LB_A_SNI=a LB_B_L4_LISTEN=0.0.0.0:443", []string{
			`LB_B_L4_LISTEN="0.0.0.0:443": LB_A_L4_LISTEN=":443" has that address, expected another one`}},
		{"not inherited", "LB_A_SNI=a LB_SNI=a LB_PATHS=/", []string{
			`LB_SNI="a": services do not inherit it, expected LB_A_SNI, LB_B_SNI, LB_C_SNI`,
			`LB_PATHS="/": services do not inherit it, expected LB_A_PATHS, LB_B_PATHS, LB_C_PATHS`}},
		{"bad names", "LB_A_SNI=10.0.0.1,*,a:1,a.*.b LB_B_SNI=, LB_C_HOSTS=a:80,h_1,x..y LB_C_PATHS=x,/a?b,/", []string{
			`LB_A_SNI: entry "10.0.0.1": expected a host name: TLS clients do not ask for addresses`,
			`LB_A_SNI: entry "*": expected a host name, or one with *. in front, without a port`,
			`LB_A_SNI: entry "a:1": expected a host name, or one with *. in front, without a port`,
			`LB_A_SNI: entry "a.*.b": expected a host name, or one with *. in front, without a port`,
			`LB_B_SNI=",": expected host names separated by commas, also with *. in front, such as a.example.com,*.b.example.com`,
			`LB_C_HOSTS: entry "a:80": expected a host name, or one with *. in front, without a port`,
			`LB_C_HOSTS: entry "x..y": expected a host name, or one with *. in front, without a port`,
			`LB_C_PATHS: entry "x": expected a path that begins with /, without spaces, control characters, ? or #`,
			`LB_C_PATHS: entry "/a?b": expected a path that begins with /, without spaces, control characters, ? or #`}},
		{"entries twice", "LB_A_SNI=b,B LB_C_PATHS=/,/", []string{
			`LB_A_SNI: entry "b": expected each once`, `LB_C_PATHS: entry "/": expected each once`}},
	} {
		t.Run(tt.name, func(t *testing.T) { checkFaults(t, append(sharedBase, strings.Fields(tt.environ)...), tt.want) })
	}
}

// Pins that services of one listener cannot have certificates, keys or authorities that
// differ and only print alike: those of the first would count for all.
func TestSharedSecrets(t *testing.T) {
	one, other := testkit.NewAuthority(t), testkit.NewAuthority(t)
	pair := one.Issue(t, "lb.example.com")
	again := one.Issue(t, "lb.example.com")
	for name, differ := range map[string][]string{
		"LB_A_TLS_CLIENT_CA":  {"LB_A_TLS_CLIENT_CA=" + one.PEM, "LB_B_TLS_CLIENT_CA=" + other.PEM},
		"LB_A_TLS_CERT":       {"LB_A_TLS_CERT=" + again.Cert, "LB_A_TLS_KEY=" + again.Key},
		"LB_A_TLS_TICKET_KEY": {"LB_A_TLS_TICKET_KEY=" + ticketKey('a'), "LB_B_TLS_TICKET_KEY=" + ticketKey('b')},
	} {
		environ := append([]string{
			"LB_SERVICES=a,b", "LB_BACKENDS=x:1", "LB_A_L7_LISTEN=:443", "LB_B_L7_LISTEN=:443", "LB_A_HOSTS=a",
			"LB_L7_TLS=on", "LB_TLS_CERT=" + pair.Cert, "LB_TLS_KEY=" + pair.Key,
		}, differ...)
		_, err := Load(environ)
		if err == nil || !strings.Contains(err.Error(), name+"=") || !strings.Contains(err.Error(), "expected the same in both") {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// ticketKey returns a key of session tickets, of one byte again and again.
func ticketKey(of byte) string {
	return base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{of}, 32))
}

// Pins that names without a listener for them are reported.
func TestNamesWithoutAListener(t *testing.T) {
	c := mustLoad(t, append(sharedBase, "LB_A_SNI=a", "LB_C_SNI=c", "LB_A_HOSTS=h", "LB_A_PATHS=/p", "LB_C_L4_HELLO_TIMEOUT=1s")...)
	want := "[{LB_A_HOSTS LB_A_L7_LISTEN is off} {LB_A_PATHS LB_A_L7_LISTEN is off} {LB_C_SNI LB_C_L4_LISTEN is off} {LB_C_L4_HELLO_TIMEOUT LB_C_L4_LISTEN is off}]"
	if got := fmt.Sprint(c.Unused()); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	c = mustLoad(t, "LB_BACKENDS=x:1", "LB_L4_HELLO_TIMEOUT=1s")
	if got := fmt.Sprint(c.Unused()); got != "[{LB_L4_HELLO_TIMEOUT LB_SNI is not set}]" {
		t.Errorf("got %s", got)
	}
}
