package l4

// Ending is the one reason why a connection ended. Its words stand in logs and
// metrics.
type Ending string

// The endings of a connection.
const (
	EOF              Ending = "eof"                // both sides ended their streams
	ClientReset      Ending = "client_reset"       // the client broke the connection, or vanished
	BackendReset     Ending = "backend_reset"      // the backend broke the connection, or vanished
	Idle             Ending = "idle"               // neither side sent anything for too long
	HalfCloseTimeout Ending = "half_close_timeout" // the same, after one side had ended its stream
	MaxAge           Ending = "max_age"            // it had lived as long as a connection may
	Drain            Ending = "drain"              // cut by the shutdown's time limit, or closed by the operator
	ConnectFailed    Ending = "connect_failed"     // no backend could be reached
	NoBackend        Ending = "no_backend"         // no backend may take traffic, or all are full
	Denied           Ending = "denied"             // the client may not come in
	BackendDown      Ending = "backend_down"       // cut when its backend went down
	ProxyHeader      Ending = "proxy_header"       // no PROXY header, or a bad one
)

// Endings are all of them.
var Endings = [...]Ending{
	EOF, ClientReset, BackendReset, Idle, HalfCloseTimeout, MaxAge, Drain,
	ConnectFailed, NoBackend, Denied, BackendDown, ProxyHeader,
}
