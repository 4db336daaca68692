package main

import (
	"net/http"
	"slices"
	"testing"
)

// TestComposeScale starts testdata/deploy/compose with five containers of one
// service, and sees both frontends spread over all of them, and then over the
// three that are left.
func TestComposeScale(t *testing.T) {
	needDocker(t)
	c := newCompose(t, "testdata/deploy/compose/docker-compose.yml", "backend")
	c.run("up", "-d", "--no-build", "--scale", "backend=5")
	eventually(t, "fourseven to be up", func() bool { return c.run("port", "fourseven", "8000") != "" })
	l4, l7 := c.url("fourseven", "9000"), c.url("fourseven", "8000")
	waitUntilServed(t, l7)
	for _, n := range []string{"5", "3"} {
		c.run("up", "-d", "--no-build", "--no-recreate", "--scale", "backend="+n)
		for name, url := range map[string]string{"L4": l4, "L7": l7} {
			want := int(n[0] - '0')
			eventually(t, name+" to spread over "+n, func() bool {
				answers := get(t, slices.Repeat([]string{url}, 2*want)...)
				return len(twice(answers)) == want
			})
		}
	}
}

// waitUntilServed waits for the first backends to be found.
func waitUntilServed(t *testing.T, url string) {
	t.Helper()
	eventually(t, "a backend to be found", func() bool {
		resp, err := http.Get(url)
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
}

// twice returns the answers that came exactly twice.
func twice(answers []string) []string {
	times := map[string]int{}
	for _, a := range answers {
		times[a]++
	}
	var all []string
	for a, n := range times {
		if n == 2 {
			all = append(all, a)
		}
	}
	return all
}
