package l4

// Ending is the one reason why a connection ended. Logs and metrics use the same
// words.
type Ending string

// The endings of a connection.
const (
	EOF              Ending = "eof"                // both sides ended their streams
	ClientReset      Ending = "client_reset"       // the client reset the connection, or vanished
	BackendReset     Ending = "backend_reset"      // the backend reset the connection, or vanished
	Idle             Ending = "idle"               // no bytes in either direction for too long
	HalfCloseTimeout Ending = "half_close_timeout" // the same, after one side had ended its stream
	MaxAge           Ending = "max_age"            // it reached the age limit
	Drain            Ending = "drain"              // cut at the shutdown's time limit
	OperatorClose    Ending = "operator_close"     // closed by the operator
	ConnectFailed    Ending = "connect_failed"     // no backend could be reached
	NoBackend        Ending = "no_backend"         // no backend is up, or all have their max_conns
	Denied           Ending = "denied"             // the client is not allowed, or has too many connections
	NoRoute          Ending = "no_route"           // no service has the name or path that the client asks for
	BackendDown      Ending = "backend_down"       // cut when its backend went down
	ProxyHeader      Ending = "proxy_header"       // no PROXY header, or a bad one
	TLSHandshake     Ending = "tls_handshake"      // the client's TLS handshake failed
	BadResponse      Ending = "bad_response"       // L7: the backend's response broke a rule
)

// Endings are all endings.
var Endings = [...]Ending{
	EOF, ClientReset, BackendReset, Idle, HalfCloseTimeout, MaxAge, Drain,
	OperatorClose, ConnectFailed, NoBackend, Denied, NoRoute, BackendDown, ProxyHeader, TLSHandshake, BadResponse,
}
