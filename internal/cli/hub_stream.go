package cli

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// hubSilence is how long the hub may say nothing on a stream, on which it says something every 15 seconds.
const hubSilence = 45 * time.Second

// hubEvent is a server-sent event. One without a name tells an id only, or that the hub is still there.
type hubEvent struct{ name, id, data string }

var errSilence = fmt.Errorf("the hub said nothing for %s", hubSilence)

// stream does something with each event of a path until the stream ends, which is an error always, or what is done fails. The last id is
// of the event to go on after; empty for none.
func (c *hubClient) stream(ctx context.Context, path, last string, do func(hubEvent) error) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	silence := time.AfterFunc(hubSilence, func() { cancel(errSilence) })
	defer silence.Stop()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.url+path, nil)
	if err != nil {
		return fmt.Errorf("ask the hub: %w", err)
	}
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	endless := *c.http
	endless.Timeout = 0
	response, err := endless.Do(request)
	if err != nil {
		return fmt.Errorf("ask the hub: %w", cause(ctx, err))
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		body, err := io.ReadAll(io.LimitReader(response.Body, maxHubAnswer))
		if err != nil {
			return fmt.Errorf("read the hub's answer: %w", cause(ctx, err))
		}
		return refusedByHub(response, body)
	}
	var event hubEvent
	lines := bufio.NewScanner(response.Body)
	lines.Buffer(nil, maxHubAnswer)
	for lines.Scan() {
		silence.Reset(hubSilence)
		field, value, _ := strings.Cut(lines.Text(), ":")
		value = strings.TrimPrefix(value, " ")
		switch {
		case lines.Text() == "":
			// What is done may take longer than the hub is silent.
			silence.Stop()
			if err := do(event); err != nil {
				return err
			}
			silence.Reset(hubSilence)
			event = hubEvent{}
		case field == "event":
			event.name = value
		case field == "id":
			event.id = value
		case field == "data":
			event.data = value
		}
	}
	if err := lines.Err(); err != nil {
		return fmt.Errorf("read what the hub tells: %w", cause(ctx, err))
	}
	return errors.New("the hub ended the stream")
}

// cause is why a context ended, if that is why something failed.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}
