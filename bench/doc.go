// Command bench measures fourseven side by side with what a user would pick
// instead, on the machine it runs on:
//
//	go run ./bench                                    # everything, about two minutes
//	go run ./bench -quick                             # everything, about 20 s, coarse
//	go run ./bench -only rt-64,http-64,haproxy,fourseven -rounds 9
//	go run ./bench -json run.json -html run.html
//	go run ./bench -only http-64 -rate 5000           # latency at a given load
//	go run ./bench -target http://10.0.0.5:8080/      # a service of your own
//
// It needs Linux, starts everything itself, on 127.0.0.1 alone, and ends
// everything that it started, also after Ctrl-C. Its first line of progress shows
// how long the run will take.
//
// The report begins with an answer to "L4 or L7?": fourseven-l4 compared with
// fourseven, which are the same program with the same HTTP requests.
//
// # Vocabulary
//
// A peer is a program that can stand between a client and the two backends; a
// contender is a peer together with the listener of it that is used, and
// "direct" is no peer at all. A scenario is one kind of load. A sample is what
// one contender did in one scenario in one round; a figure is the samples of all
// rounds: their median, least and greatest. A ratio is fourseven's sample divided
// by the other's of the same round, and then the median over the rounds, so that
// a machine that drifts does so for both.
//
// # How it measures
//
// Load generator, backends and peer share the machine, as they would beside each
// other in a pod; what the peer alone costs is the processor time column. A
// sample has a warm-up that is not counted. An error in any worker voids the
// figure. Processes are found in /proc, their processor time is read from their
// CPU clocks, which count in nanoseconds what /proc/PID/stat rounds to 10 ms.
//
// If the load average before the run is above the number of processors, the report
// says so beside every figure.
//
// With -target the load goes to a service of the reader's own, without a proxy,
// through L4, and through L7 if it is HTTP. It is bounded: 8 connections, -requests
// in a sample, and the time of -d. A tcp target is measured by connections until
// their first bytes.
//
// The load is closed: a connection sends when the answer before has come, and
// latency is that of one operation. With -rate it is open: operations fall due by
// the clock, and one that is late because the connection was still waiting counts
// from when it was due (no coordinated omission). One that is late only because
// the generator's timer was, counts from when it was sent.
//
// It does not judge: no figure makes it fail, only errors do.
package main
