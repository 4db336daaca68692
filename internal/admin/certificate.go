package admin

import "time"

// Certificate is one that clients are shown.
type Certificate struct {
	Service  string    `json:"service,omitempty"`
	Names    []string  `json:"names"`
	NotAfter time.Time `json:"not_after"`
	// DaysLeft is negative once the certificate has expired.
	DaysLeft int `json:"days_left"`
}

// certificates returns those of all services, or none.
func (src *Source) certificates() []Certificate {
	if src.Certificates == nil {
		return nil
	}
	return src.Certificates()
}
