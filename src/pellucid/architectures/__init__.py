"""Networks built for a dataset: feedforward, convolutional, recurrent, autoencoder, spiking."""
