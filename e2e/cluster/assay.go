package cluster

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
)

// AssayImage is the image that the chart runs.
const AssayImage = "ghcr.io/assay-gitops/assay"

// ProvideAssay builds assay from this checkout and gives it to the node for its image. The agent listens where variables
// that override its configuration say.
func (c *Cluster) ProvideAssay(ctx context.Context) error {
	path, err := BuildAssay(ctx)
	if err != nil {
		return err
	}
	c.Provide(AssayImage, Program{Path: path, Environment: func(port func(string) int) []string {
		var variables []string
		for name, variable := range map[string]string{"webhook": "ADMISSION_WEBHOOK_LISTEN=", "probes": "PROBESLISTEN=127.0.0.1:", "metrics": "METRICSADDRESS=127.0.0.1:"} {
			if number := port(name); number != 0 { // a Job has no ports
				variables = append(variables, variable+strconv.Itoa(number))
			}
		}
		return variables
	}})
	return nil
}

// Assay runs assay, built from this checkout, with the rights of an administrator and returns what it prints; an error has what it
// complains about.
func (c *Cluster) Assay(ctx context.Context, args ...string) (string, error) {
	path, err := BuildAssay(ctx)
	if err != nil {
		return "", err
	}
	command := exec.CommandContext(ctx, path, args...)
	command.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig)
	var stdout, stderr strings.Builder
	command.Stdout, command.Stderr = &stdout, &stderr
	if err := command.Run(); err != nil {
		return stdout.String(), fmt.Errorf("assay %s: %w: %s", strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String(), nil
}
