package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/assay-gitops/assay/tenancy"
)

// maxTenantsFile is far more than a file of thousands of tenants has.
const maxTenantsFile = 32 << 20

// tenantsFlags say where tenants are written, and how they are read.
type tenantsFlags struct {
	files, namespaces []string
	name              string
	options           tenancy.Options
	defaultRole       string
}

func (t *tenantsFlags) define(command *cobra.Command) {
	section(command, "Tenants", func(f *pflag.FlagSet) {
		f.StringArrayVar(&t.files, "from-file", nil, "tenants `file`, a folder of them, or - for standard input; repeatable")
		f.StringVar(&t.name, "name", "", "`name` of one more tenant, with the namespaces of --namespace")
		f.StringSliceVar(&t.namespaces, "namespace", nil, "`namespaces` of the tenant of --name")
		f.StringVar(&t.defaultRole, "default-role", string(tenancy.PresetClusterAdmin), "what the deployments of tenants without deploymentRBAC may do, as a `preset`: "+strings.Join(presets(), ", "))
		f.BoolVar(&t.options.AllowSharedNamespaces, "allow-shared-namespaces", false, "accept a namespace that several tenants have")
		f.StringVar(&t.options.Cluster, "cluster", "", "`name` of the cluster: leave out tenants whose clusters do not name it")
	})
	complete(command, "default-role", oneOf(presets()...))
}

func presets() []string {
	var names []string
	for _, p := range tenancy.Presets() {
		names = append(names, string(p))
	}
	return names
}

// usesStdin tells whether the tenants come from standard input.
func (t *tenantsFlags) usesStdin() bool { return slices.Contains(t.files, "-") }

// workspaces reads the tenants and generates what they are made of.
func (t *tenantsFlags) workspaces(env *Env) ([]tenancy.Workspace, error) {
	tenants, err := t.read(env)
	if err != nil {
		return nil, err
	}
	made, err := tenancy.Generate(tenants)
	if err != nil {
		return nil, fmt.Errorf("failed to generate tenant output: %w", err)
	}
	return made, nil
}

// read reads the tenants. What is wrong with the files is written to the error stream and ends the command.
func (t *tenantsFlags) read(env *Env) (*tenancy.Tenants, error) {
	if !slices.Contains(presets(), t.defaultRole) {
		return nil, badFlag("default-role", t.defaultRole, presets())
	}
	t.options.DefaultRole = tenancy.Preset(t.defaultRole)
	sources, err := t.sources(env)
	if err != nil {
		return nil, err
	}
	tenants, err := tenancy.Read(sources, t.options)
	var invalid *tenancy.InvalidError
	if errors.As(err, &invalid) {
		reportProblems(env, invalid.Problems)
		return nil, code(exitFailure)
	}
	if err != nil {
		return nil, fmt.Errorf("read the tenants: %w", err)
	}
	reportProblems(env, tenants.Warnings)
	return tenants, nil
}

func (t *tenantsFlags) sources(env *Env) ([]tenancy.Source, error) {
	if len(t.files) == 0 && t.name == "" {
		e := usageErrorf("there are no tenants")
		e.hint = "name a tenants file with --from-file, or a tenant with --name and --namespace"
		return nil, e
	}
	if len(t.namespaces) > 0 && t.name == "" {
		return nil, usageErrorf("--namespace needs --name, the tenant that has it")
	}
	var sources []tenancy.Source
	for _, name := range t.files {
		found, err := readTenantsFiles(env, name)
		if err != nil {
			return nil, fmt.Errorf("failed to parse tenants file %s: %w", name, err)
		}
		sources = append(sources, found...)
	}
	if t.name != "" {
		content, err := json.Marshal(map[string]any{"tenants": []map[string]any{{"name": t.name, "namespaces": t.namespaces}}})
		if err != nil {
			return nil, err
		}
		sources = append(sources, tenancy.Source{Name: "--name", Content: content})
	}
	return sources, nil
}

// readTenantsFiles reads a file, the YAML files of a folder, or standard input.
func readTenantsFiles(env *Env, name string) ([]tenancy.Source, error) {
	if name == "-" {
		content, err := readBounded(env.Stdin)
		return []tenancy.Source{{Name: "<stdin>", Content: content}}, err
	}
	path := rootDir(env, name)
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		content, err := readTenantsFile(path)
		return []tenancy.Source{{Name: name, Content: content}}, err
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, err
	}
	var sources []tenancy.Source
	for _, entry := range entries {
		switch strings.ToLower(filepath.Ext(entry.Name())) {
		case ".yaml", ".yml", ".json":
		default:
			continue
		}
		content, err := readTenantsFile(filepath.Join(path, entry.Name()))
		if err != nil {
			return nil, err
		}
		sources = append(sources, tenancy.Source{Name: filepath.Join(name, entry.Name()), Content: content})
	}
	if len(sources) == 0 {
		return nil, errors.New("the folder has no YAML files")
	}
	return sources, nil
}

func readTenantsFile(path string) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	return readBounded(file)
}

func readBounded(r io.Reader) ([]byte, error) {
	content, err := io.ReadAll(io.LimitReader(r, maxTenantsFile+1))
	if err == nil && len(content) > maxTenantsFile {
		err = fmt.Errorf("it is larger than %d MiB", maxTenantsFile>>20)
	}
	return content, err
}
