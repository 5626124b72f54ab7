"""Commands that the screens start as processes of their own: started, queued, watched, stopped."""
