//go:build stack

package cluster

import "context"

// Dir is the folder of the cluster's files.
func (c *Cluster) Dir() string { return c.dir }

// Bridge is the network interface of the cluster's pods.
func (c *Cluster) Bridge() string { return c.network.bridge() }

// Address is where pods reach the API server.
func (c *Cluster) Address() string { return c.network.service(1) }

// StartAndKeep is Start, but does not stop what does not start.
func StartAndKeep(ctx context.Context, o Options) (*Cluster, error) {
	c, err := newCluster(o.Dir, o.Registry)
	if err != nil {
		return nil, err
	}
	return c, c.start(ctx, o.Tools, o.Registry+"/"+pauseImage, o.Daemons)
}
