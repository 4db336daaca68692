package config

// listener is a listener in the settings.
type listener struct {
	frontend string // l4, l7, admin or redirects
	variable string
	addr     Address

	host, port string // what it takes of the machine, as place returns it
}

// redirects is the frontend of LB_L7_REDIRECT_LISTEN. One listener is enough for services
// that share theirs by name: it redirects every host.
const redirects = "l7_redirect"

func newListener(frontend, variable string, addr Address) listener {
	host, port := addr.place()
	return listener{frontend, variable, addr, host, port}
}

// listeners returns the listeners of the services and that of the admin pages, without
// those that are off.
func (c *Config) listeners() (all []listener) {
	for _, s := range c.Services {
		all = append(all, s.listeners()...)
		if !s.L7RedirectListen.Off() {
			all = append(all, newListener(redirects, s.Variable("LB_L7_REDIRECT_LISTEN"), s.L7RedirectListen))
		}
	}
	if !c.AdminListen.Off() {
		all = append(all, newListener("admin", "LB_ADMIN_LISTEN", c.AdminListen))
	}
	return all
}

// listeners returns those of the service that are on.
func (s *Service) listeners() (all []listener) {
	if !s.L4Listen.Off() {
		all = append(all, newListener("l4", s.Variable("LB_L4_LISTEN"), s.L4Listen))
	}
	if !s.L7Listen.Off() {
		all = append(all, newListener("l7", s.Variable("LB_L7_LISTEN"), s.L7Listen))
	}
	return all
}

// sharedWith reports whether services share the two as one listener.
func (l listener) sharedWith(other listener) bool {
	return l.frontend == other.frontend && l.frontend != redirects && l.addr == other.addr && l.port != ""
}

// collides reports whether two listeners cannot have both addresses. Names are not
// looked up.
func (l listener) collides(other listener) bool {
	// "" is every host: it binds IPv4 and IPv6, whichever of the two is written.
	return l.port != "" && l.port == other.port && (l.host == other.host || l.host == "" || other.host == "")
}
