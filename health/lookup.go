package health

import (
	"context"
	"net"
	"slices"
	"sync"
)

// maxLookups is how many hosts of one service are looked up at a time.
const maxLookups = 8

// lookUp looks the entry's name up. What fails now is taken from the last answer; the
// error is not nil if that is all of it.
func (e Entry) lookUp(ctx context.Context, r *net.Resolver, last answer) (answer, error) {
	now := answer{hosts: map[string]addresses{}}
	names := []string{e.name}
	if e.kind == service {
		_, records, err := r.LookupSRV(ctx, "", "", e.name)
		if len(records) == 0 { // there is an error as well if some are unusable
			return last, orNoAddresses(err)
		}
		names = targets(records)
		now.records = records
	}
	var mu sync.Mutex
	var first error
	each(names, func(name string) {
		known, err := last.hosts[name].lookUp(ctx, r, name)
		mu.Lock()
		defer mu.Unlock()
		now.hosts[name] = known
		if err != nil && first == nil {
			first = err
		}
	})
	for _, known := range now.hosts {
		if len(known.v4)+len(known.v6) > 0 && (e.kind == service || first == nil) {
			return now, nil
		}
	}
	return last, orNoAddresses(first)
}

// orNoAddresses returns err, or the error of an answer without addresses.
func orNoAddresses(err error) error {
	if err == nil {
		return &net.DNSError{Err: "no addresses", IsNotFound: true}
	}
	return err
}

func targets(records []*net.SRV) []string {
	var names []string
	for _, r := range records {
		names = append(names, r.Target)
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// each calls f for all names, for a few at a time.
func each(names []string, f func(name string)) {
	places := make(chan struct{}, maxLookups)
	var wg sync.WaitGroup
	for _, name := range names {
		places <- struct{}{}
		wg.Go(func() {
			f(name)
			<-places
		})
	}
	wg.Wait()
}
