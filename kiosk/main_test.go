package main

import (
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"sourire-kiosk": func() { os.Exit(program(os.Args[1:], os.Stdout, os.Stderr)) },
	})
}

func TestCommand(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			// Nobody listens there.
			e.Setenv("SOURIRE_KIOSK_HUB_ADDRESS", "mqtt://127.0.0.1:1")
			return nil
		},
	})
}
