// Package instance runs one load balancer: it builds the services and their parts that
// the settings ask for, starts them in order, and ends them in order.
//
//	in := instance.New(&cfg, "1.0.0", sink)
//	err := in.Run(nil) // returns after a signal and the drain that follows
//
// Signals reach it directly: SIGTERM and SIGINT drain, SIGHUP reads the lists of
// backends again. It moves no bytes itself.
package instance
