package config

// listener is one that the settings ask for.
type listener struct {
	variable string
	addr     Address

	host, port string // what it takes of the machine, as place returns it
}

func newListener(variable string, addr Address) listener {
	host, port := addr.place()
	return listener{variable, addr, host, port}
}

// listeners returns the listeners of the services and that of the admin pages, without
// those that are off.
func (c *Config) listeners() (all []listener) {
	add := func(variable string, addr Address) {
		if !addr.Off() {
			all = append(all, newListener(variable, addr))
		}
	}
	for _, s := range c.Services {
		add(s.Variable("LB_L4_LISTEN"), s.L4Listen)
		add(s.Variable("LB_L7_LISTEN"), s.L7Listen)
	}
	add("LB_ADMIN_LISTEN", c.AdminListen)
	return all
}

// collides reports whether two listeners cannot have both addresses. Names are not
// looked up.
func (l listener) collides(other listener) bool {
	// "" is every host: it binds IPv4 and IPv6, whichever of the two is written.
	return l.port != "" && l.port == other.port && (l.host == other.host || l.host == "" || other.host == "")
}
