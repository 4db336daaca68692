// Package loop runs straight-line code on stream connections in event loops, at
// the cost of a state machine in C.
//
// On Go's own poller a message costs an extra read and two switches by the
// scheduler, and an idle connection the stacks of its goroutines. Here the code
// that waits is a fiber, switched to and from directly, and what is small and
// simple the loop does itself, without it:
//
//	group, err := loop.New(loop.Config{})
//	...
//	listeners, err := group.Listen(ln) // one for each loop
//	for _, ln := range listeners {
//		ln.Loop().Go(func() {
//			for {
//				client, err := ln.AcceptConn() // waits in the loop
//				if errors.Is(err, net.ErrClosed) {
//					return
//				}
//				...
//				client.Go(func() { serve(client) }) // a fiber of the same loop
//			}
//		})
//	}
//
// # Vocabulary
//
//   - A loop waits for events of its connections, one epoll set each, and runs their
//     fibers, one at a time. There is one for each processor.
//   - A fiber is a function that runs in a loop. It blocks only in methods of this
//     package: of a [Conn], a [Listener], or [Loop.Dial], [Loop.Sleep] and
//     [Loop.Await]. Whatever else blocks it (a channel, time.Sleep, a connection of
//     package net, a lock that is held for long) holds up all connections of its
//     loop, which is a stall: see [Config.OnStall].
//   - A [Group] is the loops that share listeners.
//   - Small messages are those that fit the loop's buffer, 64 KiB; what does not
//     is bulk, which is spliced.
//
// # What belongs to whom
//
// A connection belongs to its loop, and so does everything that is reached only by fibers
// of that loop: they need no locks among each other, as long as they do not rely on state
// that they read before they waited. Methods that other goroutines may call are marked
// so. Those (Close and Reset, too, for fibers) are done by the loop a little later, when
// the fibers that are ready have run.
//
// # What it does not do
//
//   - No datagrams, no name lookups (use Loop.Await), no TLS.
//   - No more than one fiber that reads and one that writes a connection at a time.
//   - No copying between connections of different loops; Conn.MoveTo moves one.
//   - No limits: the code that accepts decides how many connections there are.
//
// # In profiles and dumps
//
// A fiber is a goroutine: profiles show its functions under corostart, and a dump
// its stack in the state "coroutine" while it waits. The loop's own goroutine is in
// that state while one of its fibers runs.
//
// On systems other than Linux, and on Linux with the build tag portable, the same
// API stands on package net and goroutines, with one lock a loop. It is there to
// develop with, not to be fast: Forward moves nothing by itself, nothing is spliced,
// and an idle connection keeps a goroutine.
package loop
