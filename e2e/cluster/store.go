package cluster

import (
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
)

// Stored is an object as it is in etcd: its key without /registry/, and its JSON, which the API server reads as well as its own
// encoding.
type Stored struct {
	Key  string
	JSON []byte
}

// Store puts objects straight into etcd, all or none: the API server takes ten times as long, and hears of them by its watch. Who puts
// them there must give them all that the API server would have.
func (c *Cluster) Store(ctx context.Context, objects []Stored) error {
	type put struct {
		Key   string `json:"key"`
		Value string `json:"value"`
	}
	type operation struct {
		Put put `json:"request_put"`
	}
	operations := make([]operation, len(objects))
	for i, o := range objects {
		operations[i].Put = put{base64.StdEncoding.EncodeToString([]byte("/registry/" + o.Key)), base64.StdEncoding.EncodeToString(o.JSON)}
	}
	body, err := json.Marshal(map[string]any{"success": operations})
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.etcdURL+"/v3/kv/txn", bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("writing to etcd: %w", err)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err != nil || response.StatusCode != http.StatusOK {
		return fmt.Errorf("writing to etcd: %s %.300s (%w)", response.Status, answer, err)
	}
	return nil
}

// PauseControllers stops the built-in controllers until ResumeControllers: what is in the cluster stays as it is.
func (c *Cluster) PauseControllers() error { return c.controllers.pause() }

// ResumeControllers makes them go on.
func (c *Cluster) ResumeControllers() error { return c.controllers.resume() }
