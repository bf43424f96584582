// Package events tells whoever listens what happened to images and containers.
//
//	store, engine → Bus.Publish → meta.db → Subscription.Next → SSE
//	                Bus.Send    ──────────▶ (not kept)
//
// Kept events carry a sequence number that rises by one for each and never
// falls, restarts included: a page that was away asks for what it missed with
// since=SEQ. The last Keep events can be replayed; who missed more, or was too
// slow to take what was queued for it, gets one event of kind
// wire.EventResync and then reads the lists anew. Nobody who listens can
// hold up who publishes.
//
//	sub, err := bus.Subscribe(7)
//	defer sub.Close()
//	for {
//		e, err := sub.Next(ctx)
//		…
//	}
package events
