// Package config reads the settings, all of them environment variables, and explains
// what is wrong with them. It is the only package that reads the environment.
//
//	cfg, err := config.Load(os.Environ()) // err lists every fault, one a line
//
// A new setting is one field of [Config] with its tags: its name, default, bounds and
// help. A setting's Source is where its value comes from: its default, its variable,
// or the file that its _FILE variable names.
package config
