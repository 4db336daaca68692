package main

import (
	"errors"
	"fmt"
	"strconv"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// checkJob finds the task by the blocks around it. Each port of the group must be one that the
// settings listen on, and each but the admin's a service with a check.
func checkJob(text []byte) ([]string, error) {
	file, diags := hclsyntax.ParseConfig(text, "job", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	job, err := descend(file.Body.(*hclsyntax.Body), "job", "group")
	if err != nil {
		return nil, err
	}
	env, err := descend(job, "task", "env")
	if err != nil {
		return nil, err
	}
	settings, err := texts(env)
	if err != nil {
		return nil, err
	}
	resources, err := descend(job, "task", "resources")
	if err != nil {
		return nil, err
	}
	network, err := descend(job, "network")
	if err != nil {
		return nil, err
	}
	var environ []string
	for name, value := range settings {
		environ = append(environ, name+"="+value)
	}
	return environ, errors.Join(checkPorts(job, network, settings), checkTaskMemory(resources, settings))
}

// descend returns the body of blocks within each other.
func descend(in *hclsyntax.Body, kinds ...string) (*hclsyntax.Body, error) {
	for _, kind := range kinds {
		if in = block(in, kind); in == nil {
			return nil, fmt.Errorf("no block %q", kind)
		}
	}
	return in, nil
}

// block returns the first block of a kind, named fourseven or without a name.
func block(in *hclsyntax.Body, kind string) *hclsyntax.Body {
	for _, b := range in.Blocks {
		if b.Type == kind && (len(b.Labels) == 0 || b.Labels[0] == "fourseven") {
			return b.Body
		}
	}
	return nil
}

// texts returns the attributes of a block; numbers are texts too.
func texts(in *hclsyntax.Body) (map[string]string, error) {
	all := map[string]string{}
	for name, attribute := range in.Attributes {
		value, diags := attribute.Expr.Value(nil)
		if diags.HasErrors() {
			return nil, diags
		}
		switch {
		case value.Type().FriendlyName() == "string":
			all[name] = value.AsString()
		case value.Type().FriendlyName() == "number":
			all[name] = value.AsBigFloat().String()
		}
	}
	return all, nil
}

func checkPorts(job, network *hclsyntax.Body, settings map[string]string) (err error) {
	served := map[string]bool{"admin": true}
	for _, b := range job.Blocks {
		if b.Type == "service" && block(b.Body, "check") != nil {
			of, _ := texts(b.Body)
			served[of["port"]] = true
		}
	}
	listeners := map[string]string{"l4": "LB_L4_LISTEN", "l7": "LB_L7_LISTEN", "admin": "LB_ADMIN_LISTEN"}
	for _, b := range network.Blocks {
		of, _ := texts(b.Body)
		name := b.Labels[0]
		if settings[listeners[name]] != ":"+of["static"] {
			err = errors.Join(err, fmt.Errorf("port %s: %s is %q", name, listeners[name], settings[listeners[name]]))
		}
		if !served[name] {
			err = errors.Join(err, fmt.Errorf("port %s: no service with a check", name))
		}
	}
	return err
}

// checkTaskMemory is checkMemory for a task.
func checkTaskMemory(resources *hclsyntax.Body, settings map[string]string) error {
	of, err := texts(resources)
	if err != nil {
		return err
	}
	memory, err := strconv.Atoi(of["memory"])
	conns, err2 := strconv.Atoi(settings["LB_MAX_CONNS"])
	if err := errors.Join(err, err2); err != nil {
		return err
	}
	if need := 64 + (conns*32+1023)/1024; memory < need {
		return fmt.Errorf("memory of %d MiB, where LB_MAX_CONNS=%d takes %d", memory, conns, need)
	}
	return nil
}
