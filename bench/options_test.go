package main

import (
	"strings"
	"testing"
	"time"
)

func TestParseOptionsRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, args, want string
	}{
		{"argument", "fast", `unexpected argument "fast"`},
		{"duration too short", "-d 1ms", "-d 1ms: expected 10ms to 10m"},
		{"duration too long", "-d 1h", "-d 1h0m0s: expected"},
		{"duration negative", "-d -1s", "-d -1s: expected"},
		{"no rounds", "-rounds 0", "-rounds 0: expected 1 to 1000"},
		{"rate zero", "-rate 0", "-rate 0: expected"},
		{"rate negative", "-rate -5", "-rate -5: expected"},
		{"rate without latency", "-rate 5 -only bulk-1,idle-l4", "none of them measures latency"},
		{"quick with duration", "-quick -d 1s", "-quick sets -d itself"},
		{"quick with rounds", "-quick -rounds 2", "-quick sets -rounds itself"},
		{"list with another", "-list -quick", "-list measures nothing"},
		{"empty binary", "-bin=", `-bin "": expected a file`},
		{"empty file", "-json=", `-json "": expected a file`},
		{"same file", "-json a/../out -html out", "are both"},
		{"unknown scenario", "-only rt-1,rt-2", `-only: unknown name "rt-2"`},
		{"empty name", "-only rt-1,,rt-64", "expected names with commas"},
		{"nothing named", "-only=", "expected names with commas"},
		{"no part in it", "-only rt-1,stdlib", "stdlib has no part in rt-1"},
		{"one has no part in it", "-only rt-1,stdlib,haproxy", "stdlib has no part in rt-1"},
		{"nobody for it", "-only rt-1,http-1,stdlib", "nothing that is named has a part in rt-1"},
		{"nothing idle without a proxy", "-only idle-l4,direct", "direct has no part in idle-l4"},
		{"unknown requirement", "-require apache", `-require: unknown contender "apache", expected direct, `},
		{"scenario required", "-require rt-1", `-require: unknown contender "rt-1"`},
		{"target with only", "-target http://a -only rt-1", "expected no -only with it"},
		{"target with require", "-target http://a -require nginx", "expected no -require with it"},
		{"target with long samples", "-target http://a -d 2m", "-d 2m0s: expected up to 1m0s with -target"},
		{"target with many rounds", "-target http://a -rounds 21", "-rounds 21: expected up to 20 with -target"},
		{"few requests", "-target http://a -requests 7", "-requests 7: expected 8 to 100000"},
		{"many requests", "-target http://a -requests 100001", "-requests 100001: expected"},
		{"bad target", "-target a:80", "expected http://host:port"},
		{"requests without target", "-requests 10", "-requests is for -target"},
		{"send without target", "-send x", "-send is for -target"},
		{"required but left out", "-only haproxy -require nginx", "nginx is not among what is measured"},
		{"required without a part", "-only rt-1 -require python", "python is not among what is measured"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			_, err := parseOptions(strings.Fields(tt.args))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want %q in it", err, tt.want)
			}
		})
	}
}

func TestParseOptionsSelects(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, args, scenarios, contenders string
	}{
		{"one of each", "-only http-1,stdlib", "http-1", "stdlib"},
		{"spaces", "-only http-1,\tstdlib", "http-1", "stdlib"},
		{"scenario alone", "-only rt-1", "rt-1", "direct, fourseven, haproxy, nginx"},
		{"contender alone", "-only fourseven-l4",
			"http-1, http-64, http-256, http64k-1, http64k-64, http64k-256", "fourseven-l4"},
		{"order of the report", "-only nginx,rt-64,direct,rt-1", "rt-1, rt-64", "direct, nginx"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			opts, err := parseOptions(strings.Split(tt.args, " "))
			if err != nil {
				t.Fatal(err)
			}
			if got := joinNames(opts.only.scenarios); got != tt.scenarios {
				t.Errorf("scenarios %s, want %s", got, tt.scenarios)
			}
			if got := joinNames(opts.only.contenders); got != tt.contenders {
				t.Errorf("contenders %s, want %s", got, tt.contenders)
			}
		})
	}
}

func TestParseOptionsDefaults(t *testing.T) {
	t.Parallel()
	opts, err := parseOptions(nil)
	if err != nil {
		t.Fatal(err)
	}
	if opts.duration != defaultDuration || opts.rounds != defaultRounds || opts.rate != 0 {
		t.Errorf("got %+v", opts)
	}
	if len(opts.only.scenarios) != len(selection{scenarios: scenarios()}.usual().scenarios) || len(opts.only.contenders) != len(contenders()) {
		t.Errorf("not everything is selected: %+v", opts.only)
	}
	quick, err := parseOptions([]string{"-quick", "-require", "haproxy, nginx"})
	if err != nil {
		t.Fatal(err)
	}
	if quick.duration >= 200*time.Millisecond || quick.rounds != 1 || strings.Join(quick.require, "+") != "haproxy+nginx" {
		t.Errorf("got %+v", quick)
	}
}
