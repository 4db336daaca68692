package l4

// Ending is the one reason why a connection ended. Its words stand in logs and
// metrics.
type Ending string

// The endings of a connection.
const (
	EOF           Ending = "eof"            // both sides ended their streams
	ClientReset   Ending = "client_reset"   // the client broke the connection
	BackendReset  Ending = "backend_reset"  // the backend broke the connection
	Drain         Ending = "drain"          // cut by the shutdown's time limit
	ConnectFailed Ending = "connect_failed" // no backend could be reached
	NoBackend     Ending = "no_backend"     // no backend may take traffic
)
