// Command grpc is a gRPC server and a client of it, for the tests of gRPC through L4.
//
//	grpc serve ADDR NAME      serves, and answers each call with its name
//	grpc call ADDR DURATION   calls one after the other over one channel, and prints how
//	                          many calls each server answered: NAME COUNT
package main

import (
	"context"
	"fmt"
	"net"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
)

// retries repeats calls that a cut connection has failed.
const retries = `{"methodConfig": [{"name": [{}], "retryPolicy": {
	"maxAttempts": 5, "initialBackoff": "0.01s", "maxBackoff": "0.5s", "backoffMultiplier": 2,
	"retryableStatusCodes": ["UNAVAILABLE"]}}]}`

func main() {
	err := fmt.Errorf("usage: grpc serve ADDR NAME | grpc call ADDR DURATION")
	if len(os.Args) == 4 {
		switch os.Args[1] {
		case "serve":
			err = serve(os.Args[2], os.Args[3])
		case "call":
			err = call(os.Args[2], os.Args[3])
		}
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func serve(addr, name string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	named := func(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
		if err := grpc.SetHeader(ctx, metadata.Pairs("server", name)); err != nil {
			return nil, err
		}
		return next(ctx, req)
	}
	s := grpc.NewServer(grpc.UnaryInterceptor(named))
	healthpb.RegisterHealthServer(s, health.NewServer())
	fmt.Println("listening")
	return s.Serve(ln)
}

func call(addr, duration string) error {
	d, err := time.ParseDuration(duration)
	if err != nil {
		return err
	}
	conn, err := grpc.NewClient(addr, grpc.WithTransportCredentials(insecure.NewCredentials()), grpc.WithDefaultServiceConfig(retries))
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	answers := map[string]int{}
	for end := time.Now().Add(d); time.Now().Before(end); {
		name, err := callOnce(conn)
		if err != nil {
			return err
		}
		answers[name]++
	}
	for name, n := range answers {
		fmt.Println(name, n)
	}
	return nil
}

// callOnce returns the name of the server that answered.
func callOnce(conn *grpc.ClientConn) (string, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	var header metadata.MD
	if _, err := healthpb.NewHealthClient(conn).Check(ctx, &healthpb.HealthCheckRequest{}, grpc.Header(&header)); err != nil {
		return "", err
	}
	return header.Get("server")[0], nil
}
