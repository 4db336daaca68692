// Package logging writes log lines without ever blocking their writer.
//
//	sink := logging.NewSink(os.Stdout, "json")
//	defer sink.Close()
//	logger := slog.New(logging.NewHandler(sink, "json", slog.LevelInfo))
//
// A Sink takes lines into a bounded queue, which one goroutine writes out. When the
// reader of the log stalls, further lines are dropped and counted. An AccessLog writes
// one line for each connection or request that has ended. The package does not decide
// what is logged, and does not rotate files.
package logging
