package main

import (
	"fmt"

	"github.com/hashicorp/hcl/v2"
	"github.com/hashicorp/hcl/v2/hclsyntax"
)

// checkJob finds the task by the blocks around it.
func checkJob(text []byte) ([]string, error) {
	file, diags := hclsyntax.ParseConfig(text, "job", hcl.InitialPos)
	if diags.HasErrors() {
		return nil, diags
	}
	body := file.Body.(*hclsyntax.Body)
	for _, kind := range []string{"job", "group", "task", "env"} {
		if body = block(body, kind); body == nil {
			return nil, fmt.Errorf("no block %q", kind)
		}
	}
	var environ []string
	for name, attribute := range body.Attributes {
		value, diags := attribute.Expr.Value(nil)
		if diags.HasErrors() {
			return nil, diags
		}
		environ = append(environ, name+"="+value.AsString())
	}
	return environ, nil
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
