package main

import (
	"cmp"
	"os"
	"runtime/debug"

	cdx "github.com/CycloneDX/cyclonedx-go"
)

// writeSBOM writes the bill of materials, with the version in VERSION, which go build -trimpath
// keeps out of the binary. It has no date and no serial number, so that the same
// binary always gives the same one.
func writeSBOM(info *debug.BuildInfo, all []component, path string) error {
	version := cmp.Or(os.Getenv("VERSION"), info.Main.Version)
	bom := cdx.NewBOM()
	bom.Metadata = &cdx.Metadata{Component: &cdx.Component{
		BOMRef: info.Main.Path, Type: cdx.ComponentTypeApplication, Name: info.Main.Path,
		Version: version, Licenses: licences("MIT"),
	}}
	parts, refs := make([]cdx.Component, 0, len(all)), make([]string, 0, len(all))
	for _, c := range all {
		url := "pkg:golang/" + c.path + "@" + c.version
		parts = append(parts, cdx.Component{
			BOMRef: url, PackageURL: url, Type: cdx.ComponentTypeLibrary, Name: c.path, Version: c.version,
			Licenses: licences(c.spdx),
		})
		refs = append(refs, url)
	}
	bom.Components = &parts
	bom.Dependencies = &[]cdx.Dependency{{Ref: info.Main.Path, Dependencies: &refs}}
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	if err := cdx.NewBOMEncoder(file, cdx.BOMFileFormatJSON).SetPretty(true).EncodeVersion(bom, cdx.SpecVersion1_6); err != nil {
		_ = file.Close()
		return err
	}
	return file.Close()
}

func licences(spdx string) *cdx.Licenses {
	return &cdx.Licenses{{License: &cdx.License{ID: spdx}}}
}
