"""What comes in and goes out: annotation formats, images, planted noise, and the built-in digits scenes."""
