package config

import (
	"cmp"
	"log/slog"
	"slices"
	"time"

	"fourseven/health"
)

// envPrefix precedes the name in every env tag of Config.
const envPrefix = "LB_"

// Service holds the settings of one service: of the only one, whose Name is empty, or of
// one that LB_SERVICES names. A new setting needs nothing but a field:
//
//	env         the variable's name without LB_, and whether it is required
//	envDefault  its default; without one it is empty, and may be set empty
//	min, max    what a number, duration or size may be
//	oneof       the words that it may be
//	alone       its default in a named service, which does not inherit it; without the tag
//	            a named service inherits LB_<SETTING>
//	help        what it means
type Service struct {
	Name string

	Backends Backends `env:"BACKENDS,required" help:"the backends, each host:port or unix:/path, with options: ;weight=N gets N times the share of weight 1, ;max_conns=N is the limit of open connections and HTTP requests, ;check=PORT or ;check=host:port is probed instead, ;backup serves only while no other backend is up. http:// or tcp:// in front is accepted, https:// or tls:// means TLS to it. dns://name:port makes each address of the name a backend, srv://_service._proto.name each of its SRV records"`

	L4Listen Address `env:"L4_LISTEN" envDefault:":9000" alone:"off" help:"L4 (TCP) address: host:port, :port, unix:/path with an optional ;mode=0660, or off"`
	L7Listen Address `env:"L7_LISTEN" envDefault:":8000" alone:"off" help:"L7 (HTTP) address: host:port, :port, unix:/path with an optional ;mode=0660, or off"`

	SNI            ServerNames   `env:"SNI" alone:"" help:"server names (SNI) whose connections the service gets. Services with the same LB_L4_LISTEN share that listener, and the name in the client's TLS hello selects one of them, whether or not TLS is ended. *. in front matches exactly one label; an exact name takes precedence. A service without names gets the rest"`
	Hosts          HostNames     `env:"HOSTS" alone:"" help:"hosts whose requests the service gets. Services with the same LB_L7_LISTEN share that listener, and the host of each request selects one of them, compared without the port. *. in front matches exactly one label; an exact name takes precedence. A service without hosts and paths gets the rest"`
	Paths          PathPrefixes  `env:"PATHS" alone:"" help:"path prefixes whose requests the service gets, of its hosts if LB_HOSTS is set. /api matches /api itself and everything below /api/, byte for byte; the longest prefix is preferred"`
	L4HelloTimeout time.Duration `env:"L4_HELLO_TIMEOUT" envDefault:"5s" min:"1ms" help:"how long a client may take to send its TLS hello where LB_SNI is set; after that the connection goes to the service without names"`

	L7RedirectListen Address `env:"L7_REDIRECT_LISTEN" envDefault:"off" alone:"off" help:"address, like LB_L7_LISTEN, that redirects all HTTP requests (status 308) to the same URL with https: for LB_L7_TLS=on. The URL has a port only if the request's Host has one: that of LB_L7_LISTEN"`

	L4TLS         string       `env:"L4_TLS" envDefault:"off" oneof:"off,on,postgres" help:"whether L4 ends the clients' TLS; backends then get the plain bytes. postgres speaks PostgreSQL's negotiation before it, and also accepts direct TLS"`
	L4TLSALPN     Protocols    `env:"L4_TLS_ALPN" help:"protocols that L4 offers by ALPN with LB_L4_TLS=on, in the order of preference. A client that asks for none of them is refused. Empty: ALPN is ignored"`
	L7TLS         Switch       `env:"L7_TLS" envDefault:"off" oneof:"off,on" help:"whether L7 ends the clients' TLS (HTTPS)"`
	TLSCert       Certificates `env:"TLS_CERT" help:"certificate for LB_L4_TLS and LB_L7_TLS, in PEM, followed by its chain"`
	TLSKey        PrivateKey   `env:"TLS_KEY" help:"private key of LB_TLS_CERT, in PEM; not shown anywhere"`
	TLSDir        Directory    `env:"TLS_DIR" help:"directory of further certificates, chosen by the server name (SNI) that the client asks for: name.crt with name.key, or fullchain.pem with privkey.pem, in it and in its subdirectories. An exact name comes before a wildcard. Any other client gets the first certificate: LB_TLS_CERT, or else the first by name"`
	TLSMinVersion string       `env:"TLS_MIN_VERSION" envDefault:"1.2" oneof:"1.2,1.3" help:"lowest TLS version that clients may use"`
	TLSClientCA   Certificates `env:"TLS_CLIENT_CA" help:"certificates, in PEM, of the authorities that may have issued the clients' certificates, which clients then must have (mutual TLS); empty asks clients for none"`
	TLSTicketKey  TicketKey    `env:"TLS_TICKET_KEY" help:"key of session tickets, 32 bytes in base64 (openssl rand -base64 32), so that several instances with the same key can resume each other's sessions; not shown anywhere. Empty: each instance has keys of its own, which it changes each day"`

	Balance        health.Policy `env:"BALANCE" envDefault:"round_robin" oneof:"round_robin,least_conn,random2,source_hash,single" help:"how a backend is chosen: in turn, by fewest connections, the better of two drawn at random, or by the client's address. single sends everything to one backend until it is down, then to the first in the list that is up; a backend that comes back changes nothing"`
	Retries        int           `env:"RETRIES" envDefault:"2" min:"0" max:"16" help:"further backends tried after a failed dial. An HTTP request that may be repeated is also tried on one more backend if a new connection broke before the first byte of the response"`
	ConnectTimeout time.Duration `env:"CONNECT_TIMEOUT" envDefault:"2s" min:"1ms" help:"how long one dial of a backend may take, including the TLS handshake"`

	BackendTLS       string       `env:"BACKEND_TLS" envDefault:"off" oneof:"off,on,postgres" help:"whether connections to backends use TLS, for L4 and L7. postgres first asks a PostgreSQL server for it (SSLRequest). With off, only backends with https:// or tls:// in front use it"`
	BackendTLSCA     Certificates `env:"BACKEND_TLS_CA" help:"certificates, in PEM, of the authorities that may have issued the backends' certificates; empty is those of the system, or if it has none, those of Mozilla, which are built in"`
	BackendTLSName   ServerName   `env:"BACKEND_TLS_NAME" help:"name that every backend's certificate must be valid for, also sent as the server name (SNI); empty is the backend's host, or with dns:// and srv:// the name that was looked up"`
	BackendTLSVerify Switch       `env:"BACKEND_TLS_VERIFY" envDefault:"on" oneof:"on,off" help:"whether the backends' certificates are verified; off accepts any certificate, also one of an attacker"`
	BackendTLSCert   Certificates `env:"BACKEND_TLS_CERT" help:"certificate, in PEM, with its chain, for backends that demand one"`
	BackendTLSKey    PrivateKey   `env:"BACKEND_TLS_KEY" help:"private key of LB_BACKEND_TLS_CERT, in PEM; not shown anywhere"`

	HealthCheck        string        `env:"HEALTH_CHECK" envDefault:"auto" oneof:"auto,http,tcp,off" help:"kind of probe. auto is tcp if L7 is off or LB_HEALTH_SEND or LB_HEALTH_EXPECT is set, http if LB_HEALTH_MATCH or a setting of http probes is set, and otherwise a lenient http probe: 404, 405 and 501 pass unless the backend has returned 200-399 before, and a backend that does not speak HTTP is only connected to"`
	HealthPath         RequestPath   `env:"HEALTH_PATH" envDefault:"/health" help:"path that an http probe requests"`
	HealthStatus       StatusSet     `env:"HEALTH_STATUS" envDefault:"200" help:"statuses that an http probe accepts, such as 200-299,304"`
	HealthSend         Payload       `env:"HEALTH_SEND" help:"bytes that a tcp probe sends; \\r, \\n, \\t, \\0, \\xNN and \\\\ are escapes"`
	HealthExpect       Payload       `env:"HEALTH_EXPECT" help:"bytes that the response to a tcp probe must begin with, with the escapes of LB_HEALTH_SEND"`
	HealthTLS          string        `env:"HEALTH_TLS" envDefault:"auto" oneof:"auto,off,on" help:"whether a probe begins with a TLS handshake. auto: like the traffic to the backend, if the port of the traffic is probed, otherwise off. Certificates are verified if connections to the backend use TLS, otherwise not"`
	HealthPort         int           `env:"HEALTH_PORT" envDefault:"0" min:"0" max:"65535" help:"port to probe; 0 is the port of the traffic. A backend's ;check overrides it"`
	HealthProxy        string        `env:"HEALTH_PROXY" envDefault:"auto" oneof:"auto,off,v1,v2" help:"PROXY header that a probe begins with. auto: the one of LB_PROXY_PROTOCOL_SEND if L4 is on and the port of the traffic is probed, otherwise none"`
	HealthInterval     time.Duration `env:"HEALTH_INTERVAL" envDefault:"10s" min:"1ms" help:"time between two probes of a backend"`
	HealthFastInterval time.Duration `env:"HEALTH_FAST_INTERVAL" envDefault:"1s" min:"1ms" help:"time between two probes of a backend that is down or changing its state"`
	HealthTimeout      time.Duration `env:"HEALTH_TIMEOUT" envDefault:"2s" min:"1ms" help:"how long one probe may take"`
	HealthRise         int           `env:"HEALTH_RISE" envDefault:"1" min:"1" max:"1000" help:"consecutive successful probes that bring a backend up"`
	HealthFall         int           `env:"HEALTH_FALL" envDefault:"2" min:"1" max:"1000" help:"consecutive failed probes that take a backend down"`
	HealthOnDown       string        `env:"HEALTH_ON_DOWN" envDefault:"keep" oneof:"keep,close" help:"whether the open connections and HTTP requests of a backend that goes down are kept or closed"`
	SlowStart          time.Duration `env:"SLOW_START" envDefault:"0s" min:"0s" help:"time over which the weight of a recovered backend grows to its full size"`

	HealthMethod        RequestMethod `env:"HEALTH_METHOD" envDefault:"GET" help:"method of an http probe"`
	HealthHost          RequestHost   `env:"HEALTH_HOST" help:"Host of an http probe's request, and the server name if only the probe uses TLS; empty is the address that is probed"`
	HealthHeaders       RequestFields `env:"HEALTH_HEADERS" help:"more header lines for an http probe, separated by \\r\\n or each on its own line; not shown anywhere if they come from a file"`
	HealthStandbyStatus StatusSet     `env:"HEALTH_STANDBY_STATUS" help:"statuses of an http probe that mean standby: the backend works but wants no traffic. It gets none, and there is no warning"`
	HealthMatch         Pattern       `env:"HEALTH_MATCH" help:"regular expression (RE2) that must match the response to a tcp probe, or the body of the response to an http probe, in its first 64 KiB. The response to a tcp probe ends when the backend pauses for half a second"`

	DNSInterval time.Duration `env:"DNS_INTERVAL" envDefault:"10s" min:"1ms" help:"time between two lookups of a name in LB_BACKENDS: of a host such as db1:5432, of dns:// and of srv://"`
	DNSServer   DNSServer     `env:"DNS_SERVER" help:"DNS server for the names in LB_BACKENDS, with or without a port; empty uses those of /etc/resolv.conf. Its search domains and /etc/hosts apply in both cases"`

	L4IdleTimeout      time.Duration `env:"L4_IDLE_TIMEOUT" envDefault:"1h" min:"0s" help:"an L4 connection without a byte in either direction for this long is closed; 0 for no limit"`
	L4HalfCloseTimeout time.Duration `env:"L4_HALF_CLOSE_TIMEOUT" envDefault:"1m" min:"0s" help:"an L4 connection of which one side has ended its stream is closed after this time without a byte; 0 for no limit"`
	L4MaxAge           time.Duration `env:"L4_MAX_AGE" envDefault:"0s" min:"0s" help:"age at which an L4 connection is closed, give or take 10 %; 0 for no limit"`

	MaxConns          int      `env:"MAX_CONNS" envDefault:"0" min:"0" max:"10000000" alone:"0" help:"open client connections of this service; 0 for no limit below that of the process"`
	MaxConnsPerIP     int      `env:"MAX_CONNS_PER_IP" envDefault:"0" min:"0" max:"10000000" help:"open client connections of one client address; 0 for no limit"`
	Allow             Prefixes `env:"ALLOW" help:"addresses or CIDRs of the clients that may connect; if empty, every client may"`
	Deny              Prefixes `env:"DENY" help:"addresses or CIDRs of the clients that may not connect; takes precedence over LB_ALLOW"`
	ProxyProtocolFrom Peers    `env:"PROXY_PROTOCOL_FROM" help:"addresses or CIDRs, or unix for clients of Unix sockets, whose connections must begin with a PROXY header (v1 or v2). The header's address is then the client's"`
	ProxyProtocolSend string   `env:"PROXY_PROTOCOL_SEND" envDefault:"off" oneof:"off,v1,v2" help:"PROXY header that is sent to L4 backends"`

	L7HeaderTimeout    time.Duration `env:"L7_HEADER_TIMEOUT" envDefault:"10s" min:"0s" help:"how long a client may take to send a request's head; 0 for no limit"`
	L7IdleTimeout      time.Duration `env:"L7_IDLE_TIMEOUT" envDefault:"60s" min:"0s" help:"a keep-alive connection without a request for this long is closed; 0 for no limit"`
	L7BackendTimeout   time.Duration `env:"L7_BACKEND_TIMEOUT" envDefault:"60s" min:"0s" help:"how long a backend may take to send a response's head; 0 for no limit"`
	L7MinRate          Size          `env:"L7_MIN_RATE" envDefault:"100" min:"0" help:"bytes a second that a body must move on average over LB_L7_IDLE_TIMEOUT, while the program waits for its sender or reader. A response without Content-Length may come as slowly as the backend sends it. 0 for no minimum"`
	L7BackendKeepalive time.Duration `env:"L7_BACKEND_KEEPALIVE" envDefault:"4s" min:"0s" help:"how long an unused connection to a backend is kept; off opens one for each request"`
	L7MaxHeader        Size          `env:"L7_MAX_HEADER" envDefault:"64KiB" min:"1KiB" max:"16MiB" help:"largest request head; a larger one, or more than 128 header fields, gets 431"`
	L7MaxBody          Size          `env:"L7_MAX_BODY" envDefault:"0" min:"0" help:"largest request body; a larger one gets 413; 0 for no limit"`
	L7TrustedProxies   Peers         `env:"L7_TRUSTED_PROXIES" help:"addresses or CIDRs, or unix for clients of Unix sockets, whose X-Forwarded-* fields are kept and appended to; those of all other clients are replaced"`

	origins
}

// Config holds every setting. Its own fields are the settings of the process, with the
// tags of Service.
type Config struct {
	Names ServiceNames `env:"SERVICES" help:"names of the services, for several in one process, such as rw,ro. Each setting of a service can then be set as LB_NAME_SETTING, and LB_SETTING is the default for all services, except for listeners, which are off unless set"`

	MaxConns int `env:"MAX_CONNS" envDefault:"0" min:"0" max:"10000000" help:"open client connections; 0 derives the limit from the descriptor and memory limits"`

	AdminListen Address `env:"ADMIN_LISTEN" envDefault:"127.0.0.1:9900" help:"address of the page, the API and the metrics: host:port, :port, unix:/path, or off"`
	AdminToken  Token   `env:"ADMIN_TOKEN" help:"bearer token required for admin requests that change something or take a profile; without it these are accepted from this machine only"`
	ReusePort   Switch  `env:"REUSE_PORT" envDefault:"off" oneof:"off,on" help:"whether another fourseven may listen on the same addresses and take over without a lost connection"`

	Watch time.Duration `env:"WATCH" envDefault:"10s" min:"0s" help:"how often LB_BACKENDS_FILE and the files of certificates are read again. A valid value on which two readings agree takes effect without a lost connection; an invalid one is refused, and the old value is kept. off: only on SIGHUP, which reads them at once"`

	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY" envDefault:"0s" min:"0s" help:"after SIGTERM, how long new connections are still accepted while /readyz fails"`
	DrainTimeout  time.Duration `env:"DRAIN_TIMEOUT" envDefault:"25s" min:"0s" help:"after SIGTERM and LB_SHUTDOWN_DELAY, how long open connections may take to end; 0 for no limit"`

	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" oneof:"debug,info,warn,error" help:"lowest level that is logged"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text" oneof:"text,json" help:"format of the log lines"`
	AccessLog Switch     `env:"ACCESS_LOG" envDefault:"off" oneof:"off,on" help:"one log line for each L4 connection and each L7 request"`

	// Services are the services in the order of LB_SERVICES. Without it there is one, whose
	// name is empty.
	Services []*Service `env:"-"`

	origins
}

// Files returns the paths of the files that these settings were read from, and the variable
// of the first of them. LB_TLS_DIR is such a path itself.
func (s *Service) Files(settings ...string) (variable string, paths []string) {
	for _, one := range serviceSettings() {
		if !slices.Contains(settings, one.name) {
			continue
		}
		path, ok := s.source(one.name).File()
		if one.name == "LB_TLS_DIR" {
			path = one.format(s)
			ok = path != ""
		}
		if ok {
			variable = cmp.Or(variable, s.Variable(one.name))
			paths = append(paths, path)
		}
	}
	return variable, paths
}

// BackendsFile returns the path of the file that the list of backends was read from, if
// it was, and the setting's variable.
func (s *Service) BackendsFile() (variable, path string, ok bool) {
	path, ok = s.source("LB_BACKENDS").File()
	return s.Variable("LB_BACKENDS"), path, ok
}
