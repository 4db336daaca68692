package main

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
)

// checkFourseven holds what orchestrators must know of fourseven against its settings.
func checkFourseven(pod corev1.PodSpec, c corev1.Container) error {
	return errors.Join(checkGrace(pod, c), checkMemory(c), checkPaths(c), checkToken(c), checkListeners(c))
}

// setting returns a setting of the container, or nothing.
func setting(c corev1.Container, name string) string {
	for _, e := range c.Env {
		if e.Name == name {
			return e.Value
		}
	}
	return ""
}

// checkGrace wants more time for the pod than its shutdown may take.
func checkGrace(pod corev1.PodSpec, c corev1.Container) error {
	var shutdown time.Duration
	for _, name := range []string{"LB_SHUTDOWN_DELAY", "LB_DRAIN_TIMEOUT"} {
		d, err := time.ParseDuration(setting(c, name))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		shutdown += d
	}
	if grace := pod.TerminationGracePeriodSeconds; grace == nil || time.Duration(*grace)*time.Second <= shutdown {
		return fmt.Errorf("container %s: terminationGracePeriodSeconds is not above %s", c.Name, shutdown)
	}
	return nil
}

// checkMemory wants a memory limit that LB_MAX_CONNS fits, by the rule that fourseven derives
// one from the other by: 64 MiB and 32 KiB a connection.
func checkMemory(c corev1.Container) error {
	conns, err := strconv.ParseInt(setting(c, "LB_MAX_CONNS"), 10, 64)
	if err != nil {
		return fmt.Errorf("LB_MAX_CONNS: %w", err)
	}
	need := int64(64<<20) + conns*(32<<10)
	if limit := c.Resources.Limits.Memory().Value(); limit < need {
		return fmt.Errorf("container %s: a memory limit of %d bytes, where LB_MAX_CONNS=%d takes %d", c.Name, limit, conns, need)
	}
	return nil
}

// checkPaths wants probes that do not fail because backends are down: a restart would not help,
// and all instances would be taken out together.
func checkPaths(c corev1.Container) error {
	for path, probe := range map[string]*corev1.Probe{"/healthz": c.LivenessProbe, "/readyz?ignore=backends": c.ReadinessProbe} {
		if probe == nil || probe.HTTPGet.Path != path {
			return fmt.Errorf("container %s: no probe of %s", c.Name, path)
		}
	}
	return nil
}

// checkListeners wants each port of the container to be one that a setting listens on.
func checkListeners(c corev1.Container) (err error) {
	listening := map[int32]bool{}
	if setting(c, "LB_SERVICES") == "" { // their defaults
		listening[9000], listening[8000] = true, true
	}
	for _, e := range c.Env {
		if port, err := strconv.ParseInt(strings.TrimPrefix(e.Value, ":"), 10, 32); strings.HasSuffix(e.Name, "_LISTEN") && err == nil {
			listening[int32(port)] = true
		}
	}
	for _, p := range c.Ports {
		if !listening[p.ContainerPort] {
			err = errors.Join(err, fmt.Errorf("container %s: no setting listens on port %d", c.Name, p.ContainerPort))
		}
	}
	return err
}

// checkToken wants no token in the Deployment, which more users may read than its Secrets.
func checkToken(c corev1.Container) error {
	if setting(c, "LB_ADMIN_TOKEN") != "" {
		return fmt.Errorf("container %s: the token is not from a Secret", c.Name)
	}
	return nil
}

func environment(c corev1.Container) (environ []string) {
	for _, e := range c.Env {
		environ = append(environ, e.Name+"="+e.Value)
	}
	return environ
}
