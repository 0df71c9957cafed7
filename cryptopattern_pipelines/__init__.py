"""cryptopattern: liquidation screenshots and exchange data become squeeze analyses and honest win rates."""
