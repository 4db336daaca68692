package config

import (
	"log/slog"
	"time"

	"fourseven/health"
)

// envPrefix stands before the name in every env tag of Config.
const envPrefix = "LB_"

// Service holds the settings of one service: of the only one, whose Name is empty, or of
// one that LB_SERVICES names. A field is all that a new setting needs:
//
//	env         the variable's name without LB_, and whether it is required
//	envDefault  its default; without one it is empty, and may be set empty
//	min, max    what a number, duration or size may be
//	oneof       the words that it may be
//	alone       its default in a named service, which inherits nothing; without the tag
//	            a named service inherits LB_<SETTING>
//	help        what it means
type Service struct {
	Name string

	Backends Backends `env:"BACKENDS,required" help:"host:port or unix:/path of each backend, with options: ;weight=N turns for each of another's, ;max_conns=N at once, ;check=PORT or ;check=host:port where it is probed, ;backup for when nothing else is up; http:// or tcp:// in front is accepted; dns://name:port stands for all addresses of the name, srv://_service._proto.name for what its records say"`

	L4Listen Address `env:"L4_LISTEN" envDefault:":9000" alone:"off" help:"L4 (TCP) address, unix:/path with an optional ;mode=0660, or off"`
	L7Listen Address `env:"L7_LISTEN" envDefault:":8000" alone:"off" help:"L7 (HTTP) address, the same way"`

	Balance        health.Policy `env:"BALANCE" envDefault:"round_robin" oneof:"round_robin,least_conn,random2,source_hash,single" help:"how a backend is chosen: in turn, by fewest connections, the better of two drawn, or by the client's address; single gives everything to one until it is down, then to the first in the list that is up, whoever comes back"`
	Retries        int           `env:"RETRIES" envDefault:"2" min:"0" max:"16" help:"further backends tried after a failed dial; for HTTP also one after a new connection that broke before a byte of the response came, if the request may be repeated"`
	ConnectTimeout time.Duration `env:"CONNECT_TIMEOUT" envDefault:"2s" min:"1ms" help:"how long one dial of a backend may take"`

	HealthCheck        string        `env:"HEALTH_CHECK" envDefault:"auto" oneof:"auto,http,tcp,off" help:"kind of probe; auto is tcp if L7 is off or LB_HEALTH_SEND or LB_HEALTH_EXPECT is set, http if LB_HEALTH_MATCH or a setting of an http probe is set, and else a lenient http probe: 404, 405 and 501 pass unless the backend has answered 200-399 before, and a backend that does not speak HTTP is only connected to"`
	HealthPath         RequestPath   `env:"HEALTH_PATH" envDefault:"/health" help:"path that an http probe asks for"`
	HealthStatus       StatusSet     `env:"HEALTH_STATUS" envDefault:"200" help:"statuses that an http probe accepts, such as 200-299,304"`
	HealthSend         Payload       `env:"HEALTH_SEND" help:"what a tcp probe sends; \\r, \\n, \\t, \\0, \\xNN and \\\\ stand for bytes"`
	HealthExpect       Payload       `env:"HEALTH_EXPECT" help:"what the answer to a tcp probe must begin with, written alike"`
	HealthTLS          Switch        `env:"HEALTH_TLS" envDefault:"off" oneof:"off,on" help:"whether a probe begins with a TLS handshake; certificates are not verified"`
	HealthPort         int           `env:"HEALTH_PORT" envDefault:"0" min:"0" max:"65535" help:"port to probe instead of the traffic port; 0 is the traffic port; a backend's ;check comes first"`
	HealthProxy        string        `env:"HEALTH_PROXY" envDefault:"auto" oneof:"auto,off,v1,v2" help:"PROXY header that a probe begins with; auto is that of LB_PROXY_PROTOCOL_SEND where the traffic port is probed and L4 is on, else none"`
	HealthInterval     time.Duration `env:"HEALTH_INTERVAL" envDefault:"10s" min:"1ms" help:"time between two probes of a backend"`
	HealthFastInterval time.Duration `env:"HEALTH_FAST_INTERVAL" envDefault:"1s" min:"1ms" help:"the same while a backend is down or changing its state"`
	HealthTimeout      time.Duration `env:"HEALTH_TIMEOUT" envDefault:"2s" min:"1ms" help:"how long one probe may take"`
	HealthRise         int           `env:"HEALTH_RISE" envDefault:"1" min:"1" max:"1000" help:"consecutive passed probes that bring a backend up"`
	HealthFall         int           `env:"HEALTH_FALL" envDefault:"2" min:"1" max:"1000" help:"consecutive failed probes that take a backend down"`
	HealthOnDown       string        `env:"HEALTH_ON_DOWN" envDefault:"keep" oneof:"keep,close" help:"what becomes of the live connections and HTTP requests of a backend that goes down"`
	SlowStart          time.Duration `env:"SLOW_START" envDefault:"0s" min:"0s" help:"how long the weight of a recovered backend takes to grow to its full size"`

	HealthMethod        RequestMethod `env:"HEALTH_METHOD" envDefault:"GET" help:"method of an http probe's request"`
	HealthHost          RequestHost   `env:"HEALTH_HOST" help:"Host of an http probe's request, and with LB_HEALTH_TLS the server name; empty is the address that is probed"`
	HealthHeaders       RequestFields `env:"HEALTH_HEADERS" help:"further header lines of an http probe's request, separated by \\r\\n or on lines of their own; shown nowhere if they come from a file"`
	HealthStandbyStatus StatusSet     `env:"HEALTH_STANDBY_STATUS" help:"statuses by which an http probe learns that the backend works and wants no traffic: a standby, which is treated as down without a warning"`
	HealthMatch         Pattern       `env:"HEALTH_MATCH" help:"regular expression (RE2) that must match the answer to a tcp probe, or the body of the answer to an http probe, up to 64 KiB; a tcp answer ends where the backend pauses for half a second"`

	DNSInterval time.Duration `env:"DNS_INTERVAL" envDefault:"10s" min:"1ms" help:"time between two lookups of a name in LB_BACKENDS: of a host such as db1:5432, of dns:// and of srv://"`
	DNSServer   DNSServer     `env:"DNS_SERVER" help:"address of the DNS server that names in LB_BACKENDS are looked up at, with a port or without; empty asks those of /etc/resolv.conf. Its search domains and /etc/hosts hold in any case"`

	L4IdleTimeout      time.Duration `env:"L4_IDLE_TIMEOUT" envDefault:"1h" min:"0s" help:"silence in both directions that ends an L4 connection; 0 for no limit"`
	L4HalfCloseTimeout time.Duration `env:"L4_HALF_CLOSE_TIMEOUT" envDefault:"1m" min:"0s" help:"the same once one side has ended its stream; 0 for no limit"`
	L4MaxAge           time.Duration `env:"L4_MAX_AGE" envDefault:"0s" min:"0s" help:"age at which an L4 connection is cut, spread by 10 % either way; 0 for no limit"`

	MaxConns          int      `env:"MAX_CONNS" envDefault:"0" min:"0" max:"10000000" alone:"0" help:"client connections of one service at once; 0 for no limit but the process's"`
	MaxConnsPerIP     int      `env:"MAX_CONNS_PER_IP" envDefault:"0" min:"0" max:"10000000" help:"the same for one client address; 0 for no limit"`
	Allow             Prefixes `env:"ALLOW" help:"addresses or CIDRs of the clients that may connect; empty allows all"`
	Deny              Prefixes `env:"DENY" help:"addresses or CIDRs of the clients that may not; wins over LB_ALLOW"`
	ProxyProtocolFrom Peers    `env:"PROXY_PROTOCOL_FROM" help:"addresses or CIDRs, or unix for clients of Unix sockets, whose connections must begin with a PROXY header (v1 or v2), which has the address of the client"`
	ProxyProtocolSend string   `env:"PROXY_PROTOCOL_SEND" envDefault:"off" oneof:"off,v1,v2" help:"PROXY header that L4 backends get"`

	L7HeaderTimeout    time.Duration `env:"L7_HEADER_TIMEOUT" envDefault:"10s" min:"0s" help:"how long the client's request head may take; 0 for no limit"`
	L7IdleTimeout      time.Duration `env:"L7_IDLE_TIMEOUT" envDefault:"60s" min:"0s" help:"silence after which a keep-alive connection is closed; 0 for no limit"`
	L7BackendTimeout   time.Duration `env:"L7_BACKEND_TIMEOUT" envDefault:"60s" min:"0s" help:"how long the backend's response head may take; 0 for no limit"`
	L7MinRate          Size          `env:"L7_MIN_RATE" envDefault:"100" min:"0" help:"bytes a second that a body must move on average over LB_L7_IDLE_TIMEOUT while its sender or reader is waited for; a response without Content-Length may come as slowly as the backend sends it; 0 for no minimum"`
	L7BackendKeepalive time.Duration `env:"L7_BACKEND_KEEPALIVE" envDefault:"4s" min:"0s" help:"how long an unused connection to a backend is kept; off opens one for each request"`
	L7MaxHeader        Size          `env:"L7_MAX_HEADER" envDefault:"64KiB" min:"1KiB" max:"16MiB" help:"largest request head; 431 past it, and past 128 header fields"`
	L7MaxBody          Size          `env:"L7_MAX_BODY" envDefault:"0" min:"0" help:"largest request body; 413 past it; 0 for no limit"`
	L7TrustedProxies   Peers         `env:"L7_TRUSTED_PROXIES" help:"addresses or CIDRs, or unix for clients of Unix sockets, whose X-Forwarded-* is kept and appended to; anyone else's is replaced"`

	origins
}

// Config holds every setting. Its own fields are the settings of the process, with the
// tags of Service.
type Config struct {
	Names ServiceNames `env:"SERVICES" help:"names of the services, for several in one process, such as rw,ro; each setting of a service can then be given as LB_NAME_SETTING, and LB_SETTING is its default in all services but for listeners, which are off unless set"`

	MaxConns int `env:"MAX_CONNS" envDefault:"0" min:"0" max:"10000000" help:"client connections at once; 0 derives it from the descriptor limit"`

	AdminListen Address `env:"ADMIN_LISTEN" envDefault:"127.0.0.1:9900" help:"admin address, the same way"`
	AdminToken  Token   `env:"ADMIN_TOKEN" help:"bearer token that admin requests which change or profile something must have; without one they are taken from this machine alone"`
	ReusePort   Switch  `env:"REUSE_PORT" envDefault:"off" oneof:"off,on" help:"whether another fourseven may listen on the same addresses, and take over from this one without a lost connection"`

	ShutdownDelay time.Duration `env:"SHUTDOWN_DELAY" envDefault:"0s" min:"0s" help:"on SIGTERM: how long to go on accepting with /readyz failing"`
	DrainTimeout  time.Duration `env:"DRAIN_TIMEOUT" envDefault:"25s" min:"0s" help:"then: how long live connections may take to end; 0 for no limit"`

	LogLevel  slog.Level `env:"LOG_LEVEL" envDefault:"info" oneof:"debug,info,warn,error" help:"least level that is logged"`
	LogFormat string     `env:"LOG_FORMAT" envDefault:"text" oneof:"text,json" help:"form of a log line"`
	AccessLog Switch     `env:"ACCESS_LOG" envDefault:"off" oneof:"off,on" help:"one line for each L4 connection and each L7 request"`

	// Services are the services in the order of LB_SERVICES. Without it there is one, whose
	// name is empty.
	Services []*Service `env:"-"`

	origins
}

// BackendsFile returns the path of the file that the list of backends was read from, if
// it was, and the setting's variable.
func (s *Service) BackendsFile() (variable, path string, ok bool) {
	path, ok = s.source("LB_BACKENDS").File()
	return s.Variable("LB_BACKENDS"), path, ok
}
