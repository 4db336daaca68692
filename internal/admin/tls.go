package admin

import (
	"time"

	"fourseven/l4"
)

var (
	handshakes = desc("lb_tls_handshakes_total", "TLS handshakes with clients, by result; resumed continues an earlier session.", "frontend", "result")
	expiries   = desc("lb_tls_certificate_expiry_timestamp_seconds", "Time at which a certificate that clients are shown expires, in seconds since 1970. source is LB_TLS_CERT or the name in LB_TLS_DIR, name the first name in the certificate.", "source", "name")
)

// Certificate is one that clients are shown. Service and DaysLeft are filled in for
// /api/status.
type Certificate struct {
	Service  string    `json:"service,omitempty"`
	Source   string    `json:"source"` // the variable, or its name in LB_TLS_DIR
	Names    []string  `json:"names"`
	NotAfter time.Time `json:"not_after"`
	// DaysLeft is negative once the certificate has expired.
	DaysLeft int `json:"days_left"`
}

// Shaken returns what counts the TLS handshakes of a frontend, l4 or l7.
func (c *Counters) Shaken(frontend string) func(l4.Handshake) {
	return c.handshakes[frontend].count
}

// collectTLS reads the counts of the frontends that end TLS, and the certificates.
func (c serviceCollector) collectTLS(e exposition) {
	for _, f := range c.Frontends {
		if !f.TLS {
			continue
		}
		for _, h := range l4.Handshakes {
			e.counter(handshakes, c.Counters.handshakes[f.Name][h].Load(), f.Name, string(h))
		}
	}
	for _, one := range c.certificates() {
		name := ""
		if len(one.Names) > 0 {
			name = one.Names[0]
		}
		e.gauge(expiries, float64(one.NotAfter.Unix()), one.Source, name)
	}
}

func (s *Service) certificates() []Certificate {
	if s.Certificates == nil {
		return nil
	}
	return s.Certificates()
}

// certificates returns those of all services.
func (src *Source) certificates(now time.Time) (all []Certificate) {
	for _, s := range src.Services {
		for _, one := range s.certificates() {
			one.Service, one.DaysLeft = s.Name, daysLeft(one.NotAfter.Sub(now))
			all = append(all, one)
		}
	}
	return all
}

// daysLeft returns whole days, rounded down.
func daysLeft(left time.Duration) int {
	const day = 24 * time.Hour
	if left < 0 {
		left -= day - 1
	}
	return int(left / day)
}
