package health

import (
	"encoding/binary"
	"net/netip"
)

// The hashes here decide which client goes to which backend, so they are part of
// what instances of different versions have to agree on: changing one moves
// everybody.

// mix is the finalizer of SplitMix64: one to one, and every bit of x changes about
// half of the result's.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// hashString returns the FNV-1a hash of s, mixed.
func hashString(s string) uint64 {
	h := uint64(0xcbf29ce484222325)
	for i := range len(s) {
		h = (h ^ uint64(s[i])) * 0x100000001b3
	}
	return mix(h)
}

// hashAddr returns the hash of an address. IPv4 and IPv4 mapped into IPv6 are the
// same, and a zone does not count.
func hashAddr(a netip.Addr) uint64 {
	b := a.As16()
	return mix(mix(binary.BigEndian.Uint64(b[:8])) ^ binary.BigEndian.Uint64(b[8:]))
}
