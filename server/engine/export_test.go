//go:build linux

package engine

// Changed returns a channel that is closed when a container's record changes
// next.
func (s *Service) Changed(id string) (<-chan struct{}, error) {
	s.mu.Lock()
	c := s.containers[id]
	s.mu.Unlock()
	if c == nil {
		return nil, notFound(id)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.changed, nil
}
