"""What comes in: uploads, multipart bodies, thumbnails, drawn cells."""
