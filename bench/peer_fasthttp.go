package main

import "runtime/debug"

// fasthttpPeer is a proxy made of fasthttp's server and client.
func fasthttpPeer() *peer {
	return rolePeer("fasthttp", roleFasthttp, func() string {
		return "fasthttp " + moduleVersion("github.com/valyala/fasthttp")
	})
}

// moduleVersion returns the version of a module that this program is built with.
func moduleVersion(path string) string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "of unknown version"
	}
	for _, m := range info.Deps {
		if m.Path == path {
			return m.Version
		}
	}
	return "of unknown version"
}
