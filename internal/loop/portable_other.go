//go:build !linux

package loop

// gone reports whether a TCP connection is no more: this system does not report it.
func gone(stream) bool { return false }

// unacked returns how many bytes wait to be acknowledged: likewise.
func unacked(stream) int { return 0 }

// peerLeft is PeerLeft for a descriptor: likewise.
func peerLeft(int) (ended, gone bool) { return false, false }
